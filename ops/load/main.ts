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
import { findRunning } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import { block, writeFigures } from '../figures.ts'
import { type Grid, startGrid } from '../grid.ts'
import { launch, stop, XEENET } from '../process.ts'
import { askQuestions } from './campaigns.ts'
import { type Drive, drive } from './drive.ts'
import { fillTables } from './fill.ts'
import { enlist } from './fleet.ts'
import { noopServer } from './noop-server.ts'
import { countLeaderless } from './observe.ts'
import { coresOf, figuresOf, lineOf, lookAt } from './window.ts'

const whole = (max: number) => z.coerce.number().int().min(1).max(max)
const Options = z.object({
  seconds: whole(3600).default(60),
  warmup: z.coerce.number().int().min(0).max(600).default(10),
  hosts: whole(50_000).default(1_000),
  connections: whole(512).default(32),
  /** Leases and reports of a call. */
  batch: whole(16).default(10),
  /** Processes that answer calls and move work units, on one database. */
  processes: whole(8).default(1),
  /** Finished and unsent results, in thousands each, that are in the tables beforehand. */
  full: z.coerce.number().int().min(0).max(10_000).default(0),
  json: z.string().optional(),
})

const Ready = z.looseObject({ url: z.string() })

// Of so many hosts one begins.
const SCOUTS = 5
const LED_SECONDS_MAX = 180

const strings = Object.fromEntries(
  Object.keys(Options.shape).map(name => [name, { type: 'string' as const }]),
)
const options = Options.parse(parseArgs({ options: strings }).values)
const dir = await mkdtemp(join(tmpdir(), 'xeenet-load-'))
let grid: Grid | undefined
try {
  grid = await startGrid({ dir, serverArgs: ['--no-verifier'], env: await noopServer(dir) })
  await measure(grid)
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

/** The processes beside the first, which has the database: they answer calls and move work units as it does. */
async function startOthers(connectionString: string, dataDir: string) {
  const env = {
    ...(await noopServer(join(dir, 'others'))),
    ...{ DATABASE_URL: connectionString, XEENET_ROLES: 'http,transition,validate,assimilate' },
  }
  const others = []
  // One after the other: each leaves its note in the data directory in place of the last one's.
  for (let n = 2; n <= options.processes; n++) {
    const args = ['serve', '--data-dir', dataDir, '--port', '0', '--json', '--no-verifier'] as const
    const program = launch(`server ${n}`, [XEENET, ...args], env)
    const { url } = Ready.parse(await program.until(event => event.ev === 'ready'))
    const note = await findRunning(dataDir)
    if (note === undefined) throw new Error(`server ${n} left no note in the data directory`)
    others.push({ name: `server ${n}`, program, url, pid: note.pid })
  }
  return others
}

async function measure(grid: Grid): Promise<void> {
  const running = await findRunning(grid.dataDir)
  if (running === undefined) throw new Error('the server left no note in its data directory')
  const knex = openDatabase({ connectionString: running.connectionString })
  const { serverId } = await grid.get('/api/v1/server', z.object({ serverId: z.string() }))
  try {
    const hosts = await enlist(knex, options.hosts)
    await askQuestions(knex, grid, dir)
    console.log(
      `${options.hosts} hosts, ${options.connections} connections, ${options.batch} reports and leases a call`,
    )
    const { connections, batch: want } = options
    const others = await startOthers(running.connectionString, grid.dataDir)
    const servers = [{ name: 'server', pid: running.pid }, ...others]
    const urls = [grid.url, ...others.map(({ url }) => url)].map(url => new URL(url))
    const to = { urls, serverId, connections, want }
    await untilLed(knex, drive({ ...to, hosts: hosts.filter((host, i) => host.trusted || i % SCOUTS === 0) }))
    if (options.full > 0) await fillTables(knex, options.full * 1000)
    const load = drive({ ...to, hosts })
    await sleep(options.warmup * 1000)
    load.look()
    const first = await lookAt(knex, servers)
    let last = first
    while (last.seconds - first.seconds < options.seconds) {
      await sleep(Math.min(10, options.seconds) * 1000)
      const next = await lookAt(knex, servers)
      const seen = load.look()
      console.log(lineOf(last, next, seen))
      last = { ...next, seen: [...last.seen, seen] }
    }
    await load.stop()
    for (const { program } of others) await stop(program)
    console.log(`cores: ${coresOf(first, last)}`)
    const figures = figuresOf(first, last)
    console.log(`\n${block(figures)}`)
    await writeFigures(options.json, figures)
  } finally {
    await knex.destroy()
  }
}
