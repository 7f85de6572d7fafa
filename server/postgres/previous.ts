import { execFile } from 'node:child_process'
import { chown, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { hasCode, PostgresError } from './errors.ts'
import type { Layout } from './layout.ts'

/** What `postmaster.pid` says: the server's pid and whether it is starting, ready or stopping. */
export interface PidFile {
  readonly pid: number
  readonly status: string
}

const STATUS_LINE = 7 // the eighth line, LOCK_FILE_LINE_PM_STATUS in PostgreSQL's pidfile.h

/** Reads the cluster's `postmaster.pid`; undefined when there is none, or it is just being written. */
export async function readPidFile(layout: Layout): Promise<PidFile | undefined> {
  try {
    const lines = (await readFile(pidFilePath(layout), 'utf8')).split('\n')
    const pid = Number(lines[0])
    return Number.isSafeInteger(pid) && pid > 0
      ? { pid, status: (lines[STATUS_LINE] ?? '').trim() }
      : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const pidFilePath = (layout: Layout): string => join(layout.cluster, 'postmaster.pid')

// A server whose parent was killed gets a fast shutdown from the kernel; its checkpoint may take a while on a slow disk.
const SHUTDOWN_MS_MAX = 60_000
const POLL_MS = 50

/**
 * Waits until the server of a killed process has shut down, and disarms a `postmaster.pid` whose number now belongs
 * to another program (after a restart of the machine or container), which PostgreSQL itself would take for a running
 * server. Call it with the directory's lock held: then a running server has no living owner.
 */
export async function awaitPreviousServer(layout: Layout): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const found = await readPidFile(layout)
    if (found === undefined || !isAlive(found.pid)) return
    if (!(await isServerOf(found.pid, layout))) return disarmPidFile(layout)
    if (waitedMs >= SHUTDOWN_MS_MAX) {
      throw new PostgresError('database_in_use', `PostgreSQL ${found.pid} still runs in ${layout.cluster}`)
    }
    await sleep(POLL_MS)
  }
}

// No system gives a process this number.
const NO_PID = '2147483647'

// Removing the file would also remove the key by which PostgreSQL finds the shared memory of backends that still live.
async function disarmPidFile(layout: Layout): Promise<void> {
  const path = pidFilePath(layout)
  const disarmed = (await readFile(path, 'utf8')).replace(/^\d+/, NO_PID)
  // Beside it first: PostgreSQL never starts where the file is empty, which a full disk would make of it.
  const beside = `${path}.disarmed`
  const { uid, gid } = await stat(path)
  await writeFile(beside, disarmed, { mode: 0o600 })
  await chown(beside, uid, gid)
  await rename(beside, path)
}

/** Whether a process with this pid exists, ours or not; a zombie that nobody has reaped yet does. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

// A zombie has no command line, so it is no server any more.
async function isServerOf(pid: number, layout: Layout): Promise<boolean> {
  if (process.platform === 'win32') return true // no way to ask; then the user is told the pid
  const command = await commandLine(pid)
  return command.includes('postgres') && command.includes(layout.cluster)
}

async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux')
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    return (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])).stdout
  } catch (error) {
    if (isAlive(pid)) throw error
    return '' // it ended while we asked
  }
}
