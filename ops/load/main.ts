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
import { askQuestions } from './campaigns.ts'
import { type Drive, drive } from './drive.ts'
import { enlist } from './fleet.ts'
import { noopServer } from './noop-server.ts'
import { countLeaderless } from './observe.ts'
import { figuresOf, lineOf, lookAt } from './window.ts'

const whole = (max: number) => z.coerce.number().int().min(1).max(max)
const Options = z.object({
  seconds: whole(3600).default(60),
  warmup: z.coerce.number().int().min(0).max(600).default(10),
  hosts: whole(50_000).default(1_000),
  connections: whole(512).default(32),
  /** Leases and reports of a call. */
  batch: whole(16).default(10),
  json: z.string().optional(),
})

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
    const to = { url: new URL(grid.url), serverId, connections, want }
    await untilLed(knex, drive({ ...to, hosts: hosts.filter((host, i) => host.trusted || i % SCOUTS === 0) }))
    const load = drive({ ...to, hosts })
    await sleep(options.warmup * 1000)
    load.look()
    const first = await lookAt(knex, running.pid)
    let last = first
    while (last.seconds - first.seconds < options.seconds) {
      await sleep(Math.min(10, options.seconds) * 1000)
      const next = await lookAt(knex, running.pid)
      const seen = load.look()
      console.log(lineOf(last, next, seen))
      last = { ...next, seen: [...last.seen, seen] }
    }
    await load.stop()
    const figures = figuresOf(first, last)
    console.log(`\n${block(figures)}`)
    await writeFigures(options.json, figures)
  } finally {
    await knex.destroy()
  }
}
