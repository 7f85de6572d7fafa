/**
 * `npm run load:tail`: how long a campaign takes from its first lease to its last answer. Simulated hosts of equal speed compute
 * runs of noop@1 in 120 simulated seconds each, over HTTP with real keys; some take a run and never come back. Time is
 * scaled, and with it how long the server keeps a run for those that it is meant for. What is still open after `--explain` run
 * times is printed whole, so that one sees what it waits for.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Knex } from 'knex'
import { z } from 'zod'
import { theRunning } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import { select, selectOne } from '#store/rows.ts'
import { block, type Figure, writeFigures } from '../figures.ts'
import { type Grid, startGrid } from '../grid.ts'
import { deliver, type Held, type Server, schedule } from './call.ts'
import { askQuestion } from './campaigns.ts'
import { enlist, type FleetHost } from './fleet.ts'
import { noopServer } from './noop-server.ts'

const RUN_SECONDS = 120
const RETRY_MS = 1_000
const LOOK_MS = 250
const VERIFIER_CORES = 8

const Options = z.object({
  runs: z.coerce.number().int().min(1).max(10_000).default(1_000),
  hosts: z.coerce.number().int().min(1).max(10_000).default(500),
  /** Runs that a host computes at a time. */
  cores: z.coerce.number().int().min(1).max(8).default(1),
  /** Share of the hosts that take a run and are never heard again. */
  lost: z.coerce.number().min(0).max(1).default(0.01),
  /** Simulated seconds in a second. */
  scale: z.coerce.number().min(1).max(100).default(10),
  /** Run times after which it is given up. */
  patience: z.coerce.number().min(1).max(100).default(8),
  /** Run times after which, and once more after each, what is still open is printed with all that is known of it. */
  explain: z.coerce.number().min(0).max(100).default(3),
  json: z.string().optional(),
})
const strings = Object.fromEntries(
  Object.keys(Options.shape).map(name => [name, { type: 'string' as const }]),
)
const options = Options.parse(parseArgs({ options: strings }).values)
const runMs = (RUN_SECONDS * 1000) / options.scale
const scaled = (ms: number): string => String(Math.round(ms / options.scale))

interface Run {
  readonly held: Held
  readonly doneAt: number
}
const heldOf = ({ held }: Run): Held => held

const Count = z.object({
  units: z.int(),
  answered: z.int(),
  published: z.int(),
  hurried: z.int(),
  results: z.int(),
  begun: z.number().nullable(),
  now: z.number(),
})

const COUNT = `
  select count(*)::int as units, count(*) filter (where state = 'valid')::int as answered,
    count(*) filter (where published_at is not null)::int as published,
    count(*) filter (where hurried_at is not null)::int as hurried,
    (select count(*) from results where sent_at is not null)::int as results,
    (select extract(epoch from min(sent_at)) * 1000 from results)::float8 as begun,
    (extract(epoch from clock_timestamp()) * 1000)::float8 as now
  from work_units`

// One of each shape, with how many there are: whatever holds up a campaign holds up many alike.
const OPEN = `
  with open as (
    select w.id, to_jsonb(w) as unit, results, concat_ws(' ', w.state, w.awaits, w.demand, w.wanted_check,
        case when w.hurried_at is not null then 'hurried' end, '|', shape) as shape
    from work_units w left join lateral (
      select jsonb_agg(jsonb_strip_nulls(to_jsonb(r)) || jsonb_build_object('seen', h.last_seen_at, 'idle', h.idle_since,
          'proven', exists (select from streaks s where s.host_id = h.id and s.count >= 10)) order by r.id) as results,
        string_agg(concat_ws(' ', r.kind, r.lane, r.state, r.outcome, r.verdict, 'drawn ' || nullif(r.draw::text, 'none')), ', '
          order by r.id) as shape
      from results r left join hosts h on h.id = r.host_id where r.work_unit_id = w.id) as r on true
    where w.state = 'open' or w.published_at is null)
  select distinct on (shape) count(*) over (partition by shape)::int as units, shape, now() as now, t.at as touched,
    exists (select from provisional_results p where p.work_unit_id = open.id) as provisional, jsonb_strip_nulls(unit) as unit, results
  from open left join touched_units t on t.work_unit_id = open.id order by shape, open.id`

const dir = await mkdtemp(join(tmpdir(), 'xeenet-tail-'))
let grid: Grid | undefined
try {
  const patience = { XEENET_PAIR_MS: scaled(60_000), XEENET_STARVE_MS: scaled(600_000) } // the server's own, scaled
  const env = { ...(await noopServer(dir)), ...patience }
  grid = await startGrid({ dir, serverArgs: ['--no-verifier'], env })
  const figures = await measure(grid)
  console.log(`\n${block(figures)}`)
  await writeFigures(options.json, figures)
} finally {
  await grid?.stop()
  await rm(dir, { recursive: true, force: true })
}

async function measure(grid: Grid): Promise<Figure[]> {
  const running = await theRunning(grid.dataDir)
  const knex = openDatabase({ connectionString: running.connectionString })
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const stop = new AbortController()
  try {
    const { serverId } = await grid.get('/api/v1/server', z.object({ serverId: z.string() }))
    const hosts = await enlist(knex, options.hosts)
    await askQuestion(knex, grid, dir, options.runs)
    const server = { url: new URL(grid.url), serverId, agent }
    const lost = Math.round(options.lost * options.hosts)
    const volunteers = hosts.filter(host => !host.trusted)
    const isLost = new Set(volunteers.slice(0, lost))
    const lives = hosts.map(host =>
      live(server, host, {
        ...{ cores: host.trusted ? VERIFIER_CORES : options.cores, isLost: isLost.has(host) },
        stop: stop.signal,
      }),
    )
    const figures = await watch(knex)
    stop.abort()
    await Promise.all(lives)
    return figures
  } finally {
    stop.abort()
    agent.destroy()
    await knex.destroy()
  }
}

interface Life {
  readonly cores: number
  readonly isLost: boolean
  readonly stop: AbortSignal
}

/** A host from its first call until it is told to stop: computes what it is given, and reports each run when its time is over. */
async function live(server: Server, host: FleetHost, { cores, isLost, stop }: Life): Promise<void> {
  const jobs = new Map<string, string>()
  let running: Run[] = []
  await sleep(Math.random() * RETRY_MS) // nobody starts a fleet in one breath
  while (!stop.aborted) {
    const now = performance.now()
    const [ended, open] = [running.filter(run => run.doneAt <= now), running.filter(run => run.doneAt > now)]
    let retryAt = now + RETRY_MS
    try {
      const reply = await schedule(server, host, {
        ...{ done: ended.map(heldOf), held: open.map(heldOf) },
        want: cores - open.length,
      })
      const aborted = new Set(reply.abort.map(({ resultId }) => resultId))
      running = open.filter(({ held }) => !aborted.has(held.resultId))
      for (const held of reply.leases) {
        running.push({ held, doneAt: performance.now() + runMs })
        jobs.set(held.resultId, held.job)
      }
      if (isLost && running.length > 0) return
      retryAt = performance.now() + reply.retryAfterMs
      for (const { resultId, sha256 } of reply.wanted) {
        const job = jobs.get(resultId)
        if (job !== undefined) await deliver(server, host, sha256, job)
      }
    } catch (error) {
      if (!stop.aborted) console.log(error instanceof Error ? error.message.slice(0, 200) : String(error))
    }
    const next = Math.min(...running.map(({ doneAt }) => doneAt), running.length < cores ? retryAt : Infinity)
    await sleep(Math.max(1, next - performance.now()), undefined, { signal: stop }).catch(() => {})
  }
}

/** Looks until every run has its answer and is published, and says when what share of them had one, in run times. */
async function watch(knex: Knex): Promise<Figure[]> {
  const reached = new Map<string, number>()
  const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit })
  let explainAt = options.explain
  for (let told = 0; ; ) {
    const { units, answered, published, hurried, results, begun, now } = await selectOne(knex, Count, COUNT)
    const runTimes = begun === null ? 0 : (now - begun) / runMs
    const note = (name: string, isReached: boolean): void => {
      if (isReached && !reached.has(name)) reached.set(name, Number(runTimes.toFixed(2)))
    }
    for (const share of [0.5, 0.95, 0.99, 1])
      note(`tail.answered_${share * 100}`, answered >= share * options.runs)
    note('tail.published_100', published >= options.runs)
    if (runTimes - told >= 0.25) {
      told = runTimes
      console.log(
        `${runTimes.toFixed(2)} run times · ${units} units · ${answered} answered · ${published} published · ${hurried} hurried · ${results} leases`,
      )
    }
    if (published < options.runs && runTimes > explainAt) {
      explainAt++
      for (const row of await select(knex, z.looseObject({}), OPEN)) console.log(JSON.stringify(row))
    }
    if (published >= options.runs || runTimes > options.patience)
      return [
        ...[...reached].map(([name, value]) => figure(name, value, 'run times')),
        figure('tail.hurried', hurried, ''),
        figure('tail.leases', results, ''),
      ]
    await sleep(LOOK_MS)
  }
}
