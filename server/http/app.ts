import { setTimeout as sleep } from 'node:timers/promises'
import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import { CAMPAIGN_SCHEMA_PATH, campaignSchema } from '#protocol/campaign-schema.ts'
import type { EventCursor } from '#protocol/events.ts'
import { BODY_BYTES_MAX, CAMPAIGN_BYTES_MAX, PROPOSAL_BYTES_MAX } from '#protocol/limits.ts'
import { openApiDocument } from '#protocol/openapi-document.ts'
import { streamEnd } from '#store/stream.ts'
import { accountRoutes } from './account-routes.ts'
import { networkReader } from './address.ts'
import { namesCaller } from './auth.ts'
import { showContributors } from './boards.ts'
import { bytesUpTo } from './body.ts'
import { campaignRoutes, type Methods, SMALL_BODY_BYTES } from './campaign-routes.ts'
import { newCatalogue } from './catalogue.ts'
import { issueChallenge } from './challenge.ts'
import { claim } from './claim.ts'
import { corpusRoutes } from './corpus-routes.ts'
import type { Edge } from './edge.ts'
import { showExperiment } from './experiment-view.ts'
import { receiveUpload, serveFile } from './files.ts'
import { healthRoutes } from './health.ts'
import { type HostCallReader, hostCallReader } from './host-call.ts'
import { showHostResults, showHostTicks } from './host-results.ts'
import { enrol, showHost } from './hosts.ts'
import * as ledger from './ledger.ts'
import { streamEvents } from './live.ts'
import { answerMcp } from './mcp/route.ts'
import { type Meter, newMeter } from './meter.ts'
import { type Metrics, newMetrics } from './metrics.ts'
import { operatorRoutes } from './operator-routes.ts'
import { newGate } from './overload.ts'
import { addPages, missingPage } from './pages.ts'
import { appeal, showActions } from './people.ts'
import { answerErrors, nameRequest, Refused } from './problem.ts'
import { showGuide } from './program.ts'
import * as proposals from './proposals.ts'
import { limitCalls, newRates, type Rates } from './rates.ts'
import * as reads from './reads.ts'
import { showResult } from './results.ts'
import { scheduler } from './scheduler.ts'
import { webhookRoutes } from './webhook-routes.ts'

const API = '/api/v1'

/** The whole HTTP face: parse, call, reply. */
export function createApp(edge: Edge): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false) // replies are states of the moment; files have their own
  app.set('query parser', 'simple')
  if (edge.settings.trustedProxies.length > 0) app.set('trust proxy', [...edge.settings.trustedProxies])
  const meter = newMeter(edge.now)
  const metrics = newMetrics(edge)
  app.use(nameRequest(edge), helmet(), keepPrivate, leaveWhenDraining(edge), meter.count, metrics.count)
  const gate = newGate(edge)
  app.use(gate.admit)
  addRoutes(app, edge, { meter, metrics })
  addPages(app, edge.pages, endOfEvents(edge))
  app.use(missingPage(edge.pages))
  app.use((req: express.Request) => {
    throw new Refused('not_found', `${req.method} ${req.path}`)
  })
  app.use(answerErrors(edge.log, gate.backOff))
  return app
}

// Who probes does so every few seconds anyway.
const PROBE_RETRY_MS = 1_000

/** What only looks after a process need of one without the role `http`. */
export function createHealthApp(process: Pick<Edge, 'knex' | 'now' | 'draining' | 'log'>): Express {
  const app = express()
  app.disable('x-powered-by')
  const metrics = newMetrics(process)
  app.use(nameRequest(process))
  const routes = healthRoutes({ ...process, metrics })
  for (const [path, methods] of Object.entries(routes)) addRoute(app, path, methods)
  app.use((req: express.Request) => {
    throw new Refused('not_found', `${req.method} ${req.path}`)
  })
  app.use(answerErrors(process.log, () => PROBE_RETRY_MS))
  return app
}

// A page is shown whatever the database does: without this it reads twice what it shows.
const END_MS_MAX = 250

const endOfEvents =
  ({ knex }: Edge) =>
  (): Promise<EventCursor | undefined> =>
    Promise.race([streamEnd(knex).catch(() => undefined), sleep(END_MS_MAX, undefined, { ref: false })])

// What somebody is told who is logged in is kept by no cache between us.
const keepPrivate: RequestHandler = (req, res, next) => {
  if (req.headers.cookie !== undefined) res.setHeader('cache-control', 'no-store')
  next()
}

// Whoever keeps a connection open finds another process by opening a new one.
const leaveWhenDraining =
  ({ draining }: Edge): RequestHandler =>
  (_req, res, next) => {
    if (draining.aborted) res.setHeader('connection', 'close')
    next()
  }

interface Meters {
  readonly meter: Meter
  readonly metrics: Metrics
}

function addRoutes(app: Express, edge: Edge, { meter, metrics }: Meters): void {
  const rates = newRates(edge)
  const readCall = limitHosts(hostCallReader(edge), rates, edge.settings.hostPerMinute)
  const catalogue = newCatalogue()
  const anonymous = limitCalls(edge, rates, { kind: 'call', isSpared: req => namesCaller(edge, req) })
  const everybody = limitCalls(edge, rates, { kind: 'login', isSpared: () => false })
  const networkOf = networkReader(edge.settings.sharedPrefixes, edge.prefixSecret)
  const small = bytesUpTo(SMALL_BODY_BYTES)
  const routes: Record<string, Methods> = {
    ...healthRoutes({ ...edge, metrics }),
    '/llms.txt': { get: [showGuide(edge)] },
    '/mcp': { post: [anonymous, bytesUpTo(CAMPAIGN_BYTES_MAX), answerMcp(edge)] },
    '/openapi.json': { get: [showDocument(edge)] },
    [`${API}/openapi.json`]: { get: [showDocument(edge)] },
    [CAMPAIGN_SCHEMA_PATH]: { get: [showCampaignSchema] },
    [`${API}/server`]: { get: [reads.showServer(edge)] },
    [`${API}/signing-keys`]: { get: [reads.showSigningKeys(edge)] },
    [`${API}/hosts`]: { post: [anonymous, small, enrol(edge, networkOf)] },
    [`${API}/hosts/challenge`]: { get: [anonymous, issueChallenge(edge, networkOf)] },
    [`${API}/hosts/:id`]: { get: [showHost(edge, readCall)] },
    [`${API}/hosts/:id/results`]: { get: [showHostResults(edge, readCall)] },
    [`${API}/hosts/:id/ticks`]: { get: [showHostTicks(edge)] },
    [`${API}/hosts/:id/claim`]: { post: [anonymous, small, claim(edge, readCall)] },
    [`${API}/hosts/:id/appeal`]: { post: [anonymous, small, appeal(edge, readCall)] },
    [`${API}/stream`]: { get: [streamEvents(edge)] },
    [`${API}/actions`]: { get: [showActions(edge)] },
    [`${API}/contributors`]: { get: [showContributors(edge)] },
    [`${API}/scheduler`]: {
      post: [anonymous, bytesUpTo(BODY_BYTES_MAX), scheduler(edge, readCall, networkOf)],
    },
    [`${API}/files/:sha256`]: { get: [serveFile(edge)], put: [anonymous, receiveUpload(edge, readCall)] },
    [`${API}/kernels`]: { get: [reads.showKernels(edge)] },
    [`${API}/kernels/proposals`]: {
      get: [proposals.showProposals(edge)],
      post: [
        anonymous,
        proposals.mayPropose(edge),
        bytesUpTo(PROPOSAL_BYTES_MAX),
        proposals.submitProposal(edge),
      ],
    },
    [`${API}/kernels/proposals/:id`]: { get: [proposals.showProposal(edge)] },
    [`${API}/kernels/proposals/:id/release`]: { get: [proposals.showRelease(edge)] },
    [`${API}/kernels/proposals/:id/withdraw`]: { post: [anonymous, small, proposals.withdrawProposal(edge)] },
    [`${API}/kernels/proposals/:id/reject`]: { post: [anonymous, small, proposals.rejectProposal(edge)] },
    [`${API}/kernels/proposals/:id/admit`]: { post: [anonymous, small, proposals.admitProposal(edge)] },
    [`${API}/datasets`]: { get: [reads.showDatasets(edge)] },
    [`${API}/datasets/:name`]: { get: [reads.showDataset(edge)] },
    ...campaignRoutes(edge, `${API}/campaigns`, anonymous),
    ...webhookRoutes(edge, `${API}/webhooks`, anonymous),
    ...corpusRoutes(edge, API, anonymous),
    ...accountRoutes(edge, API, { networkOf, anonymous, everybody }),
    ...operatorRoutes(edge, `${API}/operator`, { anonymous, meter }),
    [`${API}/experiments/:id`]: { get: [showExperiment(edge)] },
    [`${API}/results/:id`]: { get: [showResult(edge, catalogue)] },
    [`${API}/results/:id/receipt`]: { get: [ledger.showReceipt(edge)] },
    ...ledgerRoutes(edge),
  }
  for (const [path, methods] of Object.entries(routes)) addRoute(app, path, methods)
}

// After the signature was checked: no stranger can use up what a host may call.
const limitHosts =
  (readCall: HostCallReader, rates: Rates, perMinute: number): HostCallReader =>
  async (req, bodySha256) => {
    const signed = await readCall(req, bodySha256)
    rates.take(`host:${signed.host.id}`, perMinute)
    return signed
  }

const ledgerRoutes = (edge: Edge): Record<string, Methods> => ({
  [`${API}/prices`]: { get: [ledger.showPrices()] },
  [`${API}/ledger/summary`]: { get: [ledger.showLedger(edge)] },
  [`${API}/ledger/heads`]: { get: [ledger.showHeads(edge)] },
  [`${API}/ledger/blocks/:number`]: { get: [ledger.showBlock(edge)] },
  [`${API}/ledger/export`]: { get: [ledger.exportLedger(edge)] },
})

function addRoute(app: Express, path: string, { get, post, put, delete: remove }: Methods): void {
  const route = app.route(path)
  if (get !== undefined) route.get(...get)
  if (post !== undefined) route.post(...post)
  if (put !== undefined) route.put(...put)
  if (remove !== undefined) route.delete(...remove)
  const allowed = [
    ...(get ? ['GET', 'HEAD'] : []),
    ...(post ? ['POST'] : []),
    ...(put ? ['PUT'] : []),
    ...(remove ? ['DELETE'] : []),
  ]
  route.all((req, res) => {
    res.setHeader('allow', allowed.join(', '))
    throw new Refused('method_not_allowed', `${req.method} ${req.path}; allowed: ${allowed.join(', ')}`)
  })
}

const showDocument = (edge: Edge): RequestHandler => {
  const document = openApiDocument(edge.version)
  return (_req, res) => void res.json(document)
}

const CAMPAIGN_SCHEMA = JSON.stringify(campaignSchema())

// Editors ask from any origin: it says nothing about anybody.
const showCampaignSchema: RequestHandler = (_req, res) => {
  res.setHeader('access-control-allow-origin', '*')
  res.setHeader('cache-control', 'public, max-age=3600')
  res.type('application/schema+json').send(CAMPAIGN_SCHEMA)
}
