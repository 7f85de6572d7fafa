import type { RequestHandler } from 'express'
import type { Knex } from 'knex'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { readSymptoms } from '#operate/symptoms.ts'
import type { SymptomsView } from '#protocol/operator.ts'
import type { Instant } from '#protocol/units.ts'
import { poolState } from '#store/database.ts'
import { newKept } from './kept.ts'

export interface Metrics {
  /** Counts every request, by the route's template, as its reply ends. */
  readonly count: RequestHandler
  /** Everything in Prometheus' text format, and its content type. */
  scrape(): Promise<{ text: string; type: string }>
}

interface MetricsOptions {
  readonly knex: Knex
  readonly now: () => Instant
}

// Some of it counts a million rows: two scrapers share one count.
const KEPT_MS = 5_000
// Seconds. A call of the scheduler takes milliseconds; what takes ten seconds is as good as lost.
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]
// Any other method is one value of the label: it is the caller's word.
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']

/**
 * What this process measures of itself (requests by route, connections, event loop, memory), and what it reads of the whole
 * server from the database, which every process says alike: take the maximum. No label has a value that a caller may choose.
 */
export function newMetrics({ knex, now }: MetricsOptions): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'xeenet_' })
  const count = countRequests(registry, now)
  addPool(registry, knex)
  const fill = addFacts(registry)
  const kept = newKept<'facts', SymptomsFacts | undefined>(now, { forMs: KEPT_MS, most: 1 })
  const read = (): Promise<SymptomsFacts | undefined> =>
    readSymptoms(knex, { now: now(), failedShare: 0 }).catch(() => undefined) // said as database_up 0
  return {
    count,
    scrape: async () => {
      fill(await kept.get('facts', 0, read))
      return { text: await registry.metrics(), type: registry.contentType }
    },
  }
}

function countRequests(registry: Registry, now: () => Instant): RequestHandler {
  const registers = [registry]
  const labelNames = ['method', 'route', 'status'] as const
  const requests = new Counter({
    ...{ name: 'xeenet_http_requests_total', help: 'Requests that were answered', labelNames, registers },
  })
  const seconds = new Histogram({
    ...{ name: 'xeenet_http_request_seconds', help: 'From the first byte to the last', buckets: BOUNDS },
    ...{ labelNames: ['method', 'route'] as const, registers },
  })
  const inFlight = new Gauge({ name: 'xeenet_http_in_flight', help: 'Requests in hand', registers })
  return (req, res, next) => {
    const began = now()
    inFlight.inc()
    res.once('close', () => {
      inFlight.dec()
      const method = METHODS.includes(req.method) ? req.method : 'other'
      const route = typeof req.route?.path === 'string' ? req.route.path : 'other'
      requests.inc({ method, route, status: res.writableFinished ? res.statusCode : 499 }) // 499: the caller hung up
      seconds.observe({ method, route }, Math.max(0, now() - began) / 1000)
    })
    next()
  }
}

function addPool(registry: Registry, knex: Knex): void {
  new Gauge({
    name: 'xeenet_pool_connections',
    help: 'Connections to PostgreSQL of this process; waiting: statements that have none yet',
    labelNames: ['state'] as const,
    registers: [registry],
    collect() {
      for (const [state, n] of Object.entries(poolState(knex))) this.set({ state }, n)
    },
  })
}

type SymptomsFacts = Omit<SymptomsView, 'requests'>
type Row = readonly [labels: Record<string, string>, value: number | null]

// What is not known is not said: a gauge that is null has no line.
const FACTS: readonly (readonly [
  name: string,
  help: string,
  label: string | null,
  of: (facts: SymptomsFacts) => readonly Row[],
])[] = [
  ['xeenet_results', 'Results by state', 'state', ({ results }) => byName('state', results)],
  [
    'xeenet_results_last_hour',
    'Results that ended within an hour',
    'outcome',
    ({ lastHour: { success, error, noReply } }) => byName('outcome', { success, error, noReply }),
  ],
  [
    'xeenet_queue_waiting',
    'What waits for a daemon',
    'daemon',
    ({ daemons }) => daemons.map(({ name, waiting }) => [{ daemon: name }, waiting] as const),
  ],
  [
    'xeenet_queue_oldest_seconds',
    'For how long the oldest has waited',
    'daemon',
    ({ daemons }) =>
      daemons.map(({ name, oldestSeconds }) => [{ daemon: name }, oldestSeconds ?? 0] as const),
  ],
  ['xeenet_dead_letters', 'Wake-ups that failed on every retry', null, f => [[{}, f.deadLetters]]],
  ['xeenet_hosts', 'Hosts by state', 'state', ({ hosts }) => byName('state', hosts)],
  ['xeenet_campaigns_running', 'Campaigns that run', null, f => [[{}, f.campaigns.running]]],
  ['xeenet_open', 'What waits for a person', 'what', ({ open }) => byName('what', open)],
  ['xeenet_ledger_sum_millicredits', 'All balances together: 0', null, f => [[{}, f.ledger.sumMilli]]],
  [
    'xeenet_ledger_unsealed_seconds',
    'How long the oldest row waits for its block',
    null,
    f => [[{}, f.ledger.unsealedSeconds ?? 0]],
  ],
  [
    'xeenet_upkeep_age_seconds',
    'How long ago it was last done; never: no line',
    'what',
    ({ upkeep }) => byName('what', upkeep),
  ],
  ['xeenet_database_bytes', 'Size of the database', null, f => [[{}, f.database.bytes]]],
  ['xeenet_database_connections', 'All connections to it', null, f => [[{}, f.database.connections]]],
]

const byName = (label: string, values: Readonly<Record<string, number | null>>): Row[] =>
  Object.entries(values).map(([name, value]) => [{ [label]: name }, value] as const)

/** The gauges of the whole server, and what sets them; undefined facts: the database is away. */
function addFacts(registry: Registry): (facts: SymptomsFacts | undefined) => void {
  const registers = [registry]
  const up = new Gauge({ name: 'xeenet_database_up', help: '1: it answers', registers })
  const gauges = FACTS.map(([name, help, label, of]) => {
    const labelNames = label === null ? [] : [label]
    return { gauge: new Gauge({ name, help, labelNames, registers }), of }
  })
  return facts => {
    up.set(facts === undefined ? 0 : 1)
    for (const { gauge, of } of gauges) {
      gauge.reset()
      for (const [labels, value] of facts === undefined ? [] : of(facts))
        if (value !== null) gauge.set(labels, value)
    }
  }
}
