import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { TRUST } from '#domain/trust.ts'
import { createApp } from '#http/app.ts'
import { challengeKey } from '#http/challenge.ts'
import type { Edge } from '#http/edge.ts'
import { generateKey, type SigningKey } from '#kernels/sign.ts'
import { openOperate } from '#operate/operate.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { EngineClass, EngineRates } from '#protocol/engine.ts'
import {
  CALL_HEADER,
  callBytes,
  callWithReportsBytes,
  EnrolReply,
  HOST_HEADER,
  REPORTS_HEADER,
  reportBytes,
  SIGNATURE_HEADER,
} from '#protocol/host.ts'
import type { RunReport } from '#protocol/report.ts'
import { SchedulerReply, type SuccessReport } from '#protocol/scheduler.ts'
import { generateEd25519, signBytes } from '#protocol/signature.ts'
import { addMs, type HostId, type Instant, type ResultId, type Sha256 } from '#protocol/units.ts'
import { analyse } from '#search/analyse.ts'
import { planCampaign } from '#search/plan.ts'
import { similarTo } from '#search/similar.ts'
import { wholeRun } from '#search/space.ts'
import { searchState } from '#search/state.ts'
import { type EventHub, openEventHub } from '#store/event-hub.ts'
import type { Wake } from '#store/wake.ts'
import { type Stock, sha256, stock, T0, testIds } from './builders.ts'
import { freshDatabase, type TestDatabase } from './database.ts'
import { seeded } from './seeded.ts'
import { type CallOptions, type Reply, send } from './send.ts'
import { solvedWork } from './solved.ts'

/** The real edge on a real port and a real database; only the clock is ours, and the jobs do not run. */
export interface TestServer extends Stock {
  readonly database: TestDatabase
  readonly url: string
  readonly files: string // the directory of the blobs
  readonly events: EventHub
  readonly serverId: string
  /** By whose key kernels are admitted. */
  readonly operator: SigningKey
  /** What the edge asked the jobs to look at. */
  readonly woken: Record<keyof Wake, string[]>
  /** Every address and method that it takes. */
  routes(): { method: string; path: string }[]
  now(): Instant
  advance(ms: number): void
  /** As if the process was asked to stop. */
  drain(): void
  call(method: string, path: string, options?: CallOptions): Promise<Reply>
  close(): Promise<void>
}

/** @param beside another one, whose database it shares: two processes of one server */
export async function startServer(
  settings: Partial<Edge['settings']> = {},
  beside?: TestServer,
): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'xeenet-edge-'))
  const database = beside?.database ?? (await freshDatabase())
  const files = beside?.files ?? join(directory, 'files')
  const stocked = beside ?? (await stock(database.knex, files))
  const woken: TestServer['woken'] = { workUnits: [], campaigns: [], hosts: [], proposals: [], exports: [] }
  const wake: Wake = {
    workUnits: async (_trx, ids) => void woken.workUnits.push(...ids),
    campaigns: async (_trx, ids) => void woken.campaigns.push(...ids),
    hosts: async (_trx, ids) => void woken.hosts.push(...ids),
    proposals: async (_trx, ids) => void woken.proposals.push(...ids),
    exports: async (_trx, ids) => void woken.exports.push(...ids),
  }
  let now = T0
  const draining = new AbortController()
  const events = openEventHub({ connectionString: database.connectionString, warn: () => undefined })
  const serverId = 'test-server'
  const operator = beside?.operator ?? (await generateKey())
  const app = createApp({
    knex: database.knex,
    events,
    blobs: stocked.blobs,
    wake,
    planner: {
      ...{ plan: planCampaign, state: searchState, similar: similarTo, analyse },
      run: (source, recipe, which) => wholeRun({ ...source, secret: 'test' }, recipe, which),
    },
    operate: openOperate({ knex: database.knex, wake, now: () => now, ids: testIds, secret: 'test' }),
    log: pino({ level: process.env.XEENET_LOG_LEVEL ?? 'error' }, pino.destination(2)),
    now: () => now,
    random: seeded(),
    ids: testIds,
    serverId,
    version: '0.0.0',
    kernelKeys: async () => [operator],
    prefixSecret: 'test',
    challengeKey: challengeKey('test'),
    trust: { rules: TRUST, secret: 'test' },
    draining: draining.signal,
    settings: {
      pairMs: 60_000,
      starveMs: 60_000,
      retryMinMs: 1_000,
      sharedPrefixes: ['127.0.0.0/8', '::1/128'],
      trustedProxies: ['loopback'],
      anonymousPerMinute: 1_000,
      hostPerMinute: 1_000_000,
      inFlightMax: 1_000,
      enrolWork: 16,
      perMinute: 1_000,
      perPrefixDay: 1_000,
      signup: 'open',
      signupRole: 'volunteer',
      ...settings,
    },
  })
  const server = app.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...stocked,
    ...{ database, url, files, events, serverId, operator, woken },
    routes: () => routesOf(app),
    now: () => now,
    advance: ms => {
      now = addMs(now, ms)
    },
    drain: () => draining.abort(),
    call: (method, path, options) => send(url, method, path, options),
    close: async () => {
      await events.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      if (beside === undefined) await database.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function routesOf(app: ReturnType<typeof createApp>): { method: string; path: string }[] {
  return app.router.stack.flatMap(({ route }) => {
    if (route === undefined) return []
    const methods = new Set(route.stack.flatMap(({ method }) => (method === undefined ? [] : [method])))
    return [...methods].map(method => ({ method, path: String(route.path) }))
  })
}

/** A host as a test plays it: it signs truthfully what the test tells it to say. */
export interface TestHost {
  readonly id: HostId
  readonly token: string
  readonly privateKey: string
  /** A signed call of any address; numbers itself upwards unless told. `privateKey` may be another's. */
  say(
    method: string,
    path: string,
    body?: unknown,
    how?: { privateKey?: string; call?: number },
  ): Promise<Reply>
  /** Calls the scheduler; numbers itself upwards unless told. */
  call(body?: Partial<HostWords>, how?: Partial<How>): Promise<Reply>
  /** The same, parsed; throws when it was refused. */
  ask(body?: Partial<HostWords>): Promise<SchedulerReply>
  /** Uploads bytes under a hash; `range` as in Content-Range. */
  put(hash: string, bytes: Uint8Array, how?: { range?: string; signedSha256?: string }): Promise<Reply>
  /** A signed report of a run. */
  report(resultId: ResultId, run: RunReport): Promise<SuccessReport>
}

interface HostWords {
  readonly engineClasses: readonly EngineClass[]
  readonly engineRates: EngineRates
  readonly selfTest: { passed: boolean; detail: string }
  readonly cores: number
  readonly memoryMiB: number
  readonly reports: readonly unknown[]
  readonly held: readonly unknown[]
  readonly want: number
  readonly files: readonly Sha256[]
}

interface How {
  readonly call: number
  readonly privateKey: string
  readonly token: string
  readonly text: string // the body, byte for byte
  readonly signedText: string // what is signed instead of the body
  readonly path: string
  readonly root: Sha256 // over reports that the call signs
  readonly headers: Readonly<Record<string, string>>
}

export const ENROLMENT = {
  protocol: 1,
  client: 'test/1',
  engineClasses: ['wasm'],
  cores: 8,
  memoryMiB: 4096,
} as const

export async function enrolHost(
  server: TestServer,
  { token, headers }: { token?: string; headers?: Record<string, string> } = {},
): Promise<TestHost> {
  const { publicKey, privateKey } = await generateEd25519()
  const work = token === undefined ? { work: await solvedWork(server, headers) } : {}
  const body = { ...ENROLMENT, publicKey, ...work }
  const reply = await server.call('POST', '/api/v1/hosts', { token, body, ...(headers ? { headers } : {}) })
  if (reply.status !== 201) throw new Error(reply.text)
  const enrolled = EnrolReply.parse(reply.json)
  let number = 0
  const say: TestHost['say'] = async (method, path, body, how = {}) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    number = how.call ?? number + 1
    const signed = callBytes({
      ...{ serverId: server.serverId, hostId: enrolled.hostId, call: number, path, bodySha256: sha256(text) },
      method: method as 'POST' | 'GET',
    })
    return server.call(method, path, {
      token: enrolled.token,
      ...(body === undefined ? {} : { body: text }),
      headers: {
        [HOST_HEADER]: enrolled.hostId,
        [CALL_HEADER]: String(number),
        [SIGNATURE_HEADER]: await signBytes(how.privateKey ?? privateKey, signed),
        ...headers,
      },
    })
  }
  const call: TestHost['call'] = async (words = {}, how = {}) => {
    const said = {
      client: 'test/1',
      engineClasses: ['wasm'],
      cores: 8,
      memoryMiB: 4096,
      reports: [],
      held: [],
      want: 0,
    }
    const text = how.text ?? JSON.stringify({ ...said, ...words })
    number = how.call ?? number + 1
    const path = how.path ?? '/api/v1/scheduler'
    const own = callBytes({
      ...{ serverId: server.serverId, hostId: enrolled.hostId, call: number, method: 'POST', path },
      bodySha256: sha256(how.signedText ?? text),
    })
    const { root } = how
    const signed = root === undefined ? own : callWithReportsBytes({ call: sha256(own), reports: root })
    return server.call('POST', '/api/v1/scheduler', {
      token: how.token ?? enrolled.token,
      body: text,
      headers: {
        'content-type': 'application/json',
        [HOST_HEADER]: enrolled.hostId,
        [CALL_HEADER]: String(number),
        [SIGNATURE_HEADER]: await signBytes(how.privateKey ?? privateKey, signed),
        ...(root === undefined ? {} : { [REPORTS_HEADER]: root }),
        ...headers,
        ...how.headers,
      },
    })
  }
  return {
    ...{ id: enrolled.hostId, token: enrolled.token, privateKey, call, say },
    ask: async words => {
      const reply = await call(words)
      if (reply.status !== 200) throw new Error(reply.text)
      return SchedulerReply.parse(reply.json)
    },
    put: async (hash, bytes, { range, signedSha256 } = {}) => {
      const path = `/api/v1/files/${hash}`
      const bodySha256 = (signedSha256 ?? sha256(bytes)) as Sha256
      const { serverId } = server
      const call = ++number
      const signed = callBytes({ serverId, hostId: enrolled.hostId, call, method: 'PUT', path, bodySha256 })
      return server.call('PUT', path, {
        token: enrolled.token,
        body: bytes,
        headers: {
          ...(range === undefined ? {} : { 'content-range': range }),
          [HOST_HEADER]: enrolled.hostId,
          [CALL_HEADER]: String(call),
          [SIGNATURE_HEADER]: await signBytes(privateKey, signed),
        },
      })
    },
    report: async (resultId, run) => {
      const report = canonicalJson(run)
      const digest = sha256(report)
      const bytes = reportBytes({ serverId: server.serverId, hostId: enrolled.hostId, resultId, digest })
      const signature = await signBytes(privateKey, bytes)
      return { resultId, outcome: 'success', report, digest, signature, cpuMs: 1234 }
    },
  }
}
