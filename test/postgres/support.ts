import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { z } from 'zod'
import type { Confinement } from '#server/postgres/confinement.ts'
import { isAlive } from '#server/postgres/previous.ts'

export const silent = { info: () => undefined, warn: () => undefined }

/** Runs `use` with a data directory of its own. */
export async function withDataDir(use: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-pg-test-'))
  await use(dataDir)
  await rm(dataDir, { recursive: true })
}

/** Runs one statement on a connection of its own and returns its rows. */
export async function query(connectionString: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** A connection that is busy for ever in a loop that never looks whether its server is still there. */
export async function keepBackendBusy(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => undefined) // it is about to be cut
  await client.connect()
  client.query(`select count(*) from generate_series(1, 8000000) a where a % 7 = 1`).catch(() => undefined)
}

const Ready = z.object({ pid: z.int(), connectionString: z.string() })

/** Another process that runs a database; see hold.ts. */
export interface Holder {
  readonly child: ChildProcess
  readonly pid: number // of PostgreSQL
  readonly connectionString: string
}

/** Starts hold.ts and waits for its line. */
export async function hold(dataDir: string, confinement?: Confinement): Promise<Holder> {
  const { child, line } = await runHold(dataDir, confinement)
  return { child, ...Ready.parse(JSON.parse(line)) }
}

/** What hold.ts says when it cannot start. */
export async function refusal(dataDir: string): Promise<unknown> {
  const { child, line } = await runHold(dataDir)
  if (child.exitCode === null) await once(child, 'exit')
  return JSON.parse(line)
}

async function runHold(
  dataDir: string,
  confinement?: Confinement,
): Promise<{ child: ChildProcess; line: string }> {
  const args = [join(import.meta.dirname, 'hold.ts'), dataDir]
  if (confinement !== undefined) args.push(JSON.stringify(confinement))
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface(child.stdout), 'line')
  return { child, line }
}

/** SIGKILL, and wait until the process is reaped. */
export async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

const GONE_MS_MAX = 10_000

/** How long it took until no process with this pid runs; throws after ten seconds. */
export async function untilGone(pid: number): Promise<number> {
  const start = performance.now()
  while (isAlive(pid) && !(await isZombie(pid))) {
    if (performance.now() - start > GONE_MS_MAX) throw new Error(`process ${pid} is still there`)
    await sleep(10)
  }
  return performance.now() - start
}

// It has ended, but whoever inherited it has not looked yet.
async function isZombie(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')
  return stat.includes(') Z')
}
