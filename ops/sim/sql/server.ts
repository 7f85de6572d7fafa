import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { pino } from 'pino'
import type { TrustRules } from '#domain/trust.ts'
import { newCatalogue } from '#http/catalogue.ts'
import type { answerCalls } from '#http/round-trip.ts'
import { createWake } from '#jobs/boss.ts'
import { type JobDeps, QUEUES, type QueueName } from '#jobs/deps.ts'
import { openOperate } from '#operate/operate.ts'
import { instant } from '#protocol/units.ts'
import { analyse } from '#search/analyse.ts'
import { planCampaign } from '#search/plan.ts'
import { similarTo } from '#search/similar.ts'
import { wholeRun } from '#search/space.ts'
import { searchState } from '#search/state.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { openDatabase } from '#store/database.ts'
import { openEventHub } from '#store/event-hub.ts'
import { openHistories } from '#store/histories.ts'
import { migrate } from '#store/migrate.ts'
import { type Stock, stock } from '#support/builders.ts'
import type { Clock } from '../engine.ts'
import { countedIds } from '../pure/ids.ts'
import { PAIR_MS, STARVE_MS } from '../pure/settings.ts'
import { stream } from '../random.ts'

/** The real store, jobs and round trip in one process, on a PostgreSQL of its own; the clock is the simulation's. */
export interface Server {
  readonly knex: Knex
  readonly connectionString: string
  readonly deps: JobDeps
  readonly wake: ReturnType<typeof createWake>
  readonly edge: Parameters<typeof answerCalls>[2]
  readonly stock: Stock
  readonly ids: ReturnType<typeof countedIds>
  /** What was enqueued and nobody looked at yet, by queue. */
  readonly pending: Readonly<Record<QueueName, Set<string>>>
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly seed: number
  readonly clock: Clock
  readonly rules: TrustRules
}

// Nothing here survives the process.
const FAST_SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

export async function startServer({ seed, clock, rules }: ServerOptions): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), 'xeenet-sim-'))
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const postgres = await startPostgres({ dataDir: directory, log: silent, settings: FAST_SETTINGS })
  const { connectionString } = postgres
  const knex = openDatabase({ connectionString, poolMax: 4 })
  await migrate(knex)
  const stocked = await stock(knex, join(directory, 'files'))
  const pending = Object.fromEntries(QUEUES.map(queue => [queue, new Set<string>()]))
  const queueOf = (queue: string): Set<string> => {
    const found = pending[queue]
    if (found === undefined) throw new Error(`no queue ${queue}`)
    return found
  }
  const ids = countedIds()
  const secret = `secret ${seed}`
  const now = () => instant(clock.now)
  const deps: JobDeps = {
    ...{ knex, blobs: stocked.blobs, histories: openHistories(), now, ids, secret, trust: rules },
    log: { ...silent, error: console.error },
    enqueue: async (_trx, queue, names) => {
      for (const name of names) queueOf(queue).add(name)
    },
    postWebhook: async () => ({ type: 'refused', reason: 'a simulated grid calls nobody' }),
  }
  const wake = createWake(deps)
  const log = pino({ level: 'error' }, pino.destination(2))
  return {
    ...{ knex, connectionString, deps, wake, ids, stock: stocked },
    pending: pendingOf(queueOf),
    edge: {
      ...{ knex, blobs: stocked.blobs, wake, log, now, ids, serverId: 'sim', version: 'sim' },
      kernelKeys: async () => [],
      planner: {
        ...{ plan: planCampaign, state: searchState, similar: similarTo, analyse },
        run: (source, recipe, which) => wholeRun({ ...source, secret }, recipe, which),
      },
      ...{ operate: openOperate({ knex, wake, now, ids, secret }), trust: { rules, secret } },
      events: openEventHub({ connectionString, warn: console.error }),
      ...{
        random: stream(seed, 'dispatch'),
        prefixSecret: 'sim',
        challengeKey: 'sim',
        catalogue: newCatalogue(),
        draining: new AbortController().signal,
      },
      settings: SETTINGS,
    },
    stop: async () => {
      await knex.destroy()
      await postgres.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const SETTINGS: Server['edge']['settings'] = {
  ...{ pairMs: PAIR_MS, starveMs: STARVE_MS, retryMinMs: 1_000 },
  ...{ sharedPrefixes: [], trustedProxies: [], signup: 'closed', signupRole: 'volunteer' },
  ...{
    anonymousPerMinute: 1_000,
    hostPerMinute: 1_000_000,
    inFlightMax: 1_000,
    enrolWork: 1,
    perMinute: 1_000,
    perPrefixDay: 1_000,
  },
}

const pendingOf = <Queue>(queueOf: (name: QueueName) => Queue) => ({
  standing: queueOf('standing'),
  examine: queueOf('examine'),
  export: queueOf('export'),
  propose: queueOf('propose'),
  webhook: queueOf('webhook'),
})
