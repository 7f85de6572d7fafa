/**
 * `npm run load:leases`: dispatch alone, as fast as several servers on one database give leases away and take reports, without HTTP
 * and without signatures. Replies get lost on the way, so that leases are sent again. Counts results that were given to two
 * hosts, and hosts that got two results of one work unit. Nothing is judged meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { TRUST } from '#domain/trust.ts'
import { callGroups } from '#http/scheduler.ts'
import { runPropose } from '#jobs/propose.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { SchedulerReply } from '#protocol/scheduler.ts'
import { type Instant, instant, type ResultId, type WorkUnitId } from '#protocol/units.ts'
import { openDatabase } from '#store/database.ts'
import { selectOne } from '#store/rows.ts'
import { block, type Figure, writeFigures } from '../figures.ts'
import { mulberry32 } from '../kill.ts'
import { reportOf, sha256, submitCampaign } from '../sim/sql/grid.ts'
import { type Server, startServer } from '../sim/sql/server.ts'
import { copies, hash, id } from './fill.ts'
import { CLIENT, CORES, enlist, type FleetHost, MEMORY_MIB } from './fleet.ts'

const whole = (max: number) => z.coerce.number().int().min(1).max(max)
const Options = z.object({
  leases: whole(10_000_000).default(1_000_000),
  /** Servers side by side, each with connections of its own. */
  servers: whole(8).default(4),
  hosts: whole(10_000).default(400),
  /** Given up after so long. */
  seconds: whole(36_000).default(3_600),
  seed: z.coerce.number().int().min(0).default(1),
  json: z.string().optional(),
})
const strings = Object.fromEntries(
  Object.keys(Options.shape).map(name => [name, { type: 'string' as const }]),
)
const options = Options.parse(parseArgs({ options: strings }).values)

const WANT = 16
const RESULTS_PER_UNIT = 2
const LOST_SHARE = 0.01 // of the replies
const SAY_MS = 10_000
const ROWS_PER_STATEMENT = 5_000

const rng = mulberry32(options.seed)

async function main(): Promise<void> {
  const clock = {
    get now() {
      return Date.now()
    },
  }
  const server = await startServer({ seed: options.seed, clock, rules: TRUST })
  const pools = Array.from({ length: options.servers }, () =>
    openDatabase({ connectionString: server.connectionString, poolMax: 4 }),
  )
  try {
    await fill(server, instant(clock.now))
    const hosts = (await enlist(server.knex, options.hosts)).filter(host => !host.trusted)
    const doors = pools.map(knex => callGroups({ ...server.edge, knex }))
    const figures = await giveAway(server, doors, hosts)
    console.log(`\n${block(figures)}`)
    await writeFigures(options.json, figures)
  } finally {
    await Promise.all(pools.map(pool => pool.destroy()))
    await server.stop()
  }
}

/** More results than will be given, two of each work unit, of copies of what a campaign created. */
async function fill(server: Server, now: Instant): Promise<void> {
  const { knex, deps, pending } = server
  const campaign = await submitCampaign(server, now, { number: 1, experiments: 10, seeds: 1, quorum: 2 })
  pending.propose.clear()
  await runPropose(deps, [campaign])
  const units = Math.ceil((options.leases * 1.1) / RESULTS_PER_UNIT)
  for (let from = 0; from < units; from += ROWS_PER_STATEMENT)
    await knex.transaction(async trx => {
      const range = { from, until: Math.min(units, from + ROWS_PER_STATEMENT) }
      await trx.raw('set local session_replication_role = replica')
      for (const sql of [UNITS, UNPUBLISHED, ...RESULTS]) await trx.raw(sql, range)
    })
  await knex.raw('vacuum analyze work_units, live_units, results')
}

const UNITS = copies('work_units', 'id = (select min(id) from work_units)', {
  ...{ id: id('w'), run_key: hash('run'), seed_index: 'i + 1' },
})
const UNPUBLISHED = `
  insert into live_units (campaign_id, work_unit_id) select campaign_id, ${id('w')}
  from (select campaign_id from work_units limit 1) as c, generate_series(cast(:from as int), cast(:until as int) - 1) as i`
const RESULTS = Array.from({ length: RESULTS_PER_UNIT }, (_, n) =>
  copies('results', 'id = (select min(id) from results)', {
    ...{ id: id('r', `(${RESULTS_PER_UNIT} * i + ${n})`), work_unit_id: id('w') },
    ...{ attempt: '0', kind: `'replica'`, lane: `'anyone'` },
  }),
)

type Door = ReturnType<typeof callGroups>

/** What was seen of all that was given. */
interface Given {
  readonly to: Map<ResultId, FleetHost>
  readonly units: Map<WorkUnitId, FleetHost>
  doubled: number
  bothOfOneUnit: number
  lost: number
  refused: number
}

/** Hosts call whichever server, until so many results were given away; then what was lost on the way is heard. */
async function giveAway(
  { knex }: Server,
  doors: readonly Door[],
  hosts: readonly FleetHost[],
): Promise<Figure[]> {
  const given: Given = {
    ...{ to: new Map(), units: new Map(), doubled: 0, bothOfOneUnit: 0, lost: 0, refused: 0 },
  }
  const began = performance.now()
  const until = began + options.seconds * 1000
  const isOver = (): boolean => given.to.size >= options.leases || performance.now() > until
  const saying = setInterval(() => console.log(lineOf(given, began)), SAY_MS)
  await Promise.all(hosts.map(host => live(host, doors, given, isOver)))
  clearInterval(saying)
  const seconds = (performance.now() - began) / 1000
  const { sent } = await selectOne(knex, z.object({ sent: z.int() }), SENT)
  const figure = (name: string, value: number, unit = ''): Figure => ({ name: `leases.${name}`, value, unit })
  return [
    figure('given', given.to.size),
    figure('doubled', given.doubled),
    figure('both_of_one_unit', given.bothOfOneUnit),
    figure('never_heard_of', sent - given.to.size),
    figure('replies_lost', given.lost),
    figure('reports_refused', given.refused),
    figure('per_s', Number((given.to.size / seconds).toPrecision(4)), '1/s'),
  ]
}

const SENT = `select count(*)::int as sent from results where sent_at is not null`

const lineOf = ({ to, doubled, bothOfOneUnit, lost }: Given, began: number): string =>
  `${to.size} leases, ${(to.size / ((performance.now() - began) / 1000)).toFixed(0)}/s, ` +
  `${doubled} doubled, ${bothOfOneUnit} both of one unit, ${lost} replies lost`

/** A host reports what it holds and takes as much again. What a reply said that got lost it does not know of. */
async function live(
  host: FleetHost,
  doors: readonly Door[],
  given: Given,
  isOver: () => boolean,
): Promise<void> {
  let held: readonly ResultId[] = []
  for (let isLast = false; !isLast; ) {
    isLast = isOver()
    const door = doors[Math.floor(rng() * doors.length)]
    if (door === undefined) return
    const answer = await door.submit(callOf(host, held, isLast ? 0 : WANT))
    if (answer.type === 'refused') throw new Error(`a call was refused: ${answer.code}`)
    if (!isLast && rng() < LOST_SHARE) {
      given.lost += 1
      continue
    }
    const { leases, reports } = SchedulerReply.parse(JSON.parse(answer.text))
    given.refused += reports.filter(({ outcome }) => outcome !== 'accepted').length
    for (const { resultId, workUnitId } of leases) note(given, host, resultId, workUnitId)
    held = leases.map(({ resultId }) => resultId)
    if (held.length === 0 && !isLast) await sleep(1)
  }
}

function note(given: Given, host: FleetHost, resultId: ResultId, workUnitId: WorkUnitId): void {
  const before = given.to.get(resultId)
  if (before === host) return // it is sent again
  if (before !== undefined) given.doubled += 1
  given.to.set(resultId, host)
  if (given.units.get(workUnitId) === host) given.bothOfOneUnit += 1
  given.units.set(workUnitId, host)
}

function callOf(host: FleetHost, held: readonly ResultId[], want: number) {
  host.call += 1
  return {
    ...{ hostId: host.id, call: host.call, bodySha256: sha256(`${host.id} ${host.call}`), prefix: null },
    body: {
      ...{ client: CLIENT, engineClasses: ['wasm' as const], cores: CORES, memoryMiB: MEMORY_MIB },
      ...{ reports: [], held: [], want },
    },
    reports: held.map(resultId => {
      const run = reportOf({ metric: 3, print: resultId })
      const report = canonicalJson(run)
      const sent = { resultId, outcome: 'success' as const, report, digest: sha256(report), cpuMs: 1 }
      return { type: 'success' as const, signature: 'unchecked here', sent, run }
    }),
  }
}

await main()
