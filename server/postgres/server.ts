import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import { type Confinement, confine } from './confinement.ts'
import { type Endpoint, openEndpoint } from './endpoint.ts'
import { hasCode, PostgresError } from './errors.ts'
import { guard } from './guard.ts'
import type { Layout } from './layout.ts'
import { awaitPreviousServer, readPidFile } from './previous.ts'
import { serverArguments } from './settings.ts'

/** Everything needed to start the server of a prepared data directory, any number of times. */
export interface Prepared {
  readonly layout: Layout
  readonly binaries: Binaries
  readonly confinement: Confinement
  readonly endpoint: Endpoint
  readonly settings: Readonly<Record<string, string>>
}

/** A running server. */
export interface Server {
  readonly pid: number
  readonly exited: Promise<Error> // settles when the process ends, for whatever reason
  stop(): Promise<void>
}

// Backends of a killed server notice at their next wait on a socket; one in a long query may take a while.
const RETRY_MS_MAX = 60_000
const RETRY_PAUSE_MS = 100

/**
 * Starts the server and waits until it accepts connections. While processes of a killed predecessor are still attached
 * to its shared memory PostgreSQL refuses to start, so that is tried again for up to a minute.
 */
export async function launchServer(prepared: Prepared): Promise<Server> {
  for (let waitedMs = 0; ; waitedMs += RETRY_PAUSE_MS) {
    await awaitPreviousServer(prepared.layout)
    const attempt = await tryLaunch(prepared)
    if ('server' in attempt) return attempt.server
    if (!attempt.predecessorRemains || waitedMs >= RETRY_MS_MAX) {
      throw new PostgresError('database_start_failed', `PostgreSQL did not start: ${attempt.reason}`)
    }
    await sleep(RETRY_PAUSE_MS)
  }
}

type Attempt = { readonly server: Server } | { readonly reason: string; readonly predecessorRemains: boolean }

async function tryLaunch(prepared: Prepared): Promise<Attempt> {
  const { layout } = prepared
  // Anew each time: what cleans up temporary directories may have removed the socket.
  await openEndpoint(prepared.endpoint, prepared.confinement.owner)
  const logStart = await rotateLog(layout.log)
  const { child, exited } = await spawnServer(prepared)
  const outcome = await untilReady(layout, child)
  if (outcome === 'ready' && child.pid !== undefined) {
    return { server: { pid: child.pid, exited, stop: () => stopServer(prepared, child) } }
  }
  child.kill('SIGKILL') // a server that hangs while starting has answered nobody
  const ending = await exited
  const said = (await readFile(layout.log)).subarray(logStart).toString().trim()
  return {
    reason: said === '' ? ending.message : lastLines(said),
    predecessorRemains: /pre-existing shared memory block|lock file ".*" already exists/.test(said),
  }
}

const LOG_BYTES_MAX = 4 * 1024 * 1024

// Returns where this start's messages begin.
async function rotateLog(path: string): Promise<number> {
  try {
    const { size } = await stat(path)
    if (size <= LOG_BYTES_MAX) return size
    await rename(path, `${path}.1`)
    return 0
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}

interface Spawned {
  readonly child: ChildProcess
  readonly exited: Promise<Error>
}

async function spawnServer(prepared: Prepared): Promise<Spawned> {
  const { layout, binaries, confinement, endpoint, settings } = prepared
  const [program, args] = confine(
    confinement,
    binaries.postgres,
    serverArguments(layout.cluster, endpoint, settings),
  )
  const log = await open(layout.log, 'a', 0o600)
  try {
    if (confinement.owner !== undefined) await log.chown(confinement.owner.uid, confinement.owner.gid)
    // A session of its own: Ctrl-C in the terminal ends the application first, which then ends its database.
    const child = spawn(program, args, {
      env: binaries.env,
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
      windowsHide: true,
    })
    const exited = exitOf(child) // listens before anything else is awaited
    if (!confinement.diesWithParent) guard(child)
    return { child, exited }
  } finally {
    await log.close()
  }
}

async function exitOf(child: ChildProcess): Promise<Error> {
  try {
    const [code, signal] = await once(child, 'exit')
    return new Error(`PostgreSQL ended with ${signal === null ? `status ${code}` : `signal ${signal}`}`)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error)) // it could not be spawned
  }
}

// Recovery after a crash replays at most max_wal_size of log: 1.6 GiB took 22 s on two cores that had other things to do, so that 8 are two
// minutes' work, or many on a slow disk; broken off it begins anew.
const READY_MS_MAX = 30 * 60_000
const READY_POLL_MS = 10

async function untilReady(layout: Layout, child: ChildProcess): Promise<'ready' | 'ended' | 'timeout'> {
  for (let waitedMs = 0; waitedMs < READY_MS_MAX; waitedMs += READY_POLL_MS) {
    if (hasEnded(child)) return 'ended'
    const found = await readPidFile(layout)
    if (found?.pid === child.pid && found?.status === 'ready') return 'ready'
    await sleep(READY_POLL_MS)
  }
  return 'timeout'
}

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

// Each stage says what PostgreSQL does: fast shutdown, immediate shutdown (recovery at the next start), nothing at all. The first one
// writes down what is only in the log yet, and is given less than systemd and Kubernetes give to both of us (ops/deploy).
const STOP_STAGES = [
  { signal: 'SIGINT', waitMs: 60_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const

async function stopServer({ layout, binaries }: Prepared, child: ChildProcess): Promise<void> {
  for (const { signal, waitMs } of STOP_STAGES) {
    if (hasEnded(child)) return
    const exit = once(child, 'exit')
    // Windows has no signals: there Node would kill the server at once.
    if (signal === 'SIGINT' && process.platform === 'win32') stopByControlProgram(layout, binaries)
    else child.kill(signal)
    const waiting = new AbortController()
    await Promise.race([exit, sleep(waitMs, undefined, { signal: waiting.signal }).catch(() => undefined)])
    waiting.abort()
  }
}

function stopByControlProgram(layout: Layout, binaries: Binaries): void {
  const args = ['stop', '--pgdata', layout.cluster, '--mode', 'fast', '--no-wait']
  spawn(binaries.pgCtl, args, { env: binaries.env, stdio: 'ignore', windowsHide: true }).on(
    'error',
    () => undefined,
  )
}

const LINES_SHOWN = 5
const lastLines = (text: string): string => text.split('\n').slice(-LINES_SHOWN).join(' | ')
