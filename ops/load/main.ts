/**
 * `npm run load`: a server under the traffic of simulated hosts, over HTTP on loopback, with real keys and signed reports of
 * noop@1. Counts what comes out at the end of the whole lifecycle. Takes the machine for itself for about two minutes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Knex } from 'knex'
import { z } from 'zod'
import { openDatabase } from '#store/database.ts'
import { block, type Figure, writeFigures } from '../figures.ts'
import { type Grid, startGrid } from '../grid.ts'
import { askQuestions } from './campaigns.ts'
import { type Drive, drive } from './drive.ts'
import { fillTables } from './fill.ts'
import { enlist } from './fleet.ts'
import { noopServer } from './noop-server.ts'
import { countLeaderless, flowOf } from './observe.ts'
import { firstRoles, type Servers, startServers } from './processes.ts'
import { coresOf, figuresOf, lineOf, lookAt, type ServerProcess, stepOf, written } from './window.ts'

const whole = (max: number) => z.coerce.number().int().min(1).max(max)
const Options = z.object({
  seconds: whole(3600).default(60),
  warmup: z.coerce.number().int().min(0).max(600).default(10),
  hosts: whole(50_000).default(1_000),
  connections: whole(512).default(32),
  /** Leases and reports of a call. */
  batch: whole(16).default(10),
  /** Processes that answer calls, and that move work units, each apart; none of either: one does everything. */
  http: z.coerce.number().int().min(0).max(8).default(0),
  validate: z.coerce.number().int().min(0).max(8).default(0),
  /** Finished and unsent results, in thousands each, that are put into the tables; then the load is measured once more. */
  full: z.coerce.number().int().min(0).max(10_000).default(0),
  json: z.string().optional(),
})

// Of so many hosts one begins.
const SCOUTS = 5
const LED_SECONDS_MAX = 180
// Processor time of a result through the whole lifecycle, of all processes but the generator.
const COST = 'cpu_ms_per_result'

const strings = Object.fromEntries(
  Object.keys(Options.shape).map(name => [name, { type: 'string' as const }]),
)
const options = Options.parse(parseArgs({ options: strings }).values)
if (options.http > 0 !== options.validate > 0) throw new Error('--http and --validate: both or neither')
const dir = await mkdtemp(join(tmpdir(), 'xeenet-load-'))
let grid: Grid | undefined
try {
  const env = await noopServer(dir)
  grid = await startGrid({
    dir,
    serverArgs: ['--no-verifier'],
    env: { ...env, XEENET_ROLES: firstRoles(options) },
  })
  const servers = await startServers(grid, env, options)
  try {
    const figures = await measure(grid, servers)
    console.log(`\n${block(figures)}`)
    await writeFigures(options.json, figures)
  } finally {
    await servers.stop()
  }
} finally {
  await grid?.stop()
  await rm(dir, { recursive: true, force: true })
}

/**
 * Lets some hosts begin until every campaign has leaders. Before that each of its results is among its best, and waits for the
 * verifier: a server whose campaigns all began within one second is another question.
 */
async function untilLed(knex: Knex, scouts: Drive): Promise<void> {
  for (let seconds = 0; seconds < LED_SECONDS_MAX && (await countLeaderless(knex)) > 0; seconds++)
    await sleep(1000)
  await scouts.stop()
}

async function measure(grid: Grid, { connectionString, urls, processes }: Servers): Promise<Figure[]> {
  const knex = openDatabase({ connectionString })
  const { serverId } = await grid.get('/api/v1/server', z.object({ serverId: z.string() }))
  try {
    const hosts = await enlist(knex, options.hosts)
    await askQuestions(knex, grid, dir)
    const { connections, batch: want } = options
    console.log(`${options.hosts} hosts, ${connections} connections, ${want} reports and leases a call`)
    const to = { urls, serverId, connections, want }
    await untilLed(knex, drive({ ...to, hosts: hosts.filter((host, i) => host.trusted || i % SCOUTS === 0) }))
    const figures = await watch(knex, drive({ ...to, hosts }), processes)
    if (options.full === 0) return figures
    await fillTables(knex, options.full * 1000)
    console.log(`${options.full},000 finished and as many unsent results in the tables`)
    const full = await watch(knex, drive({ ...to, hosts }), processes)
    const empty = costOf(figures)
    return [
      ...full,
      { name: `empty_${COST}`, value: empty, unit: 'ms' },
      { name: 'cost_ratio_full_tables', value: Number((costOf(full) / empty).toPrecision(3)), unit: '' },
    ]
  } finally {
    await knex.destroy()
  }
}

function costOf(figures: readonly Figure[]): number {
  return Number(figures.find(({ name }) => name === COST)?.value)
}

/** What is seen of a load after its warm-up, until it is stopped. */
async function watch(knex: Knex, load: Drive, processes: readonly ServerProcess[]): Promise<Figure[]> {
  await sleep(options.warmup * 1000)
  load.look()
  const first = await lookAt(knex, processes)
  let last = first
  while (last.seconds - first.seconds < options.seconds) {
    await sleep(stepOf(options.seconds) * 1000)
    const next = await lookAt(knex, processes)
    const seen = load.look()
    const flow = await flowOf(knex, { from: written(last), until: written(next) })
    console.log(lineOf(last, next, { seen, flow }))
    last = { ...next, seen: [...last.seen, seen] }
  }
  await load.stop()
  console.log(`cores: ${coresOf(first, last)}`)
  return figuresOf(first, last, await flowOf(knex, { from: first.at, until: last.at }))
}
