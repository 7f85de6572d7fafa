import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PostgresError } from './errors.ts'

/** Where everything of one embedded database lives. */
export interface Layout {
  readonly dataDir: string
  readonly cluster: string // PGDATA
  readonly log: string
  readonly lock: string // held while a process runs the database
  readonly holder: string // that process's pid, for people
  readonly libraries: string // symlinks, used only when node_modules cannot be written
  readonly socketDir: string
}

// sockaddr_un holds 108 bytes with the final zero; PostgreSQL appends "/.s.PGSQL.5432" to the directory.
const SOCKET_PATH_BYTES_MAX = 107
const SOCKET_NAME_BYTES = '/.s.PGSQL.5432'.length

/**
 * The paths of the embedded database in `dataDir`. The socket has a short directory of its own, named by the hash
 * of the data directory, because a Unix socket's path may not be longer than 107 bytes and a home's path may be.
 */
export function layoutOf(dataDir: string): Layout {
  const absolute = resolve(dataDir)
  const name = `xeenet-pg-${createHash('sha256').update(absolute).digest('hex').slice(0, 16)}`
  const wished = join(tmpdir(), name)
  const fits = Buffer.byteLength(wished) + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX
  return {
    dataDir: absolute,
    cluster: join(absolute, 'cluster'),
    log: join(absolute, 'postgres.log'),
    lock: join(absolute, 'lock'),
    holder: join(absolute, 'lock.pid'),
    libraries: join(absolute, 'lib'),
    socketDir: fits ? wished : join('/tmp', name),
  }
}

/** Makes the socket's directory, which only we can enter; refuses one that somebody else prepared under its name. */
export async function makeSocketDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const found = await lstat(path)
  const uid = process.getuid?.()
  const ours = uid === undefined || uid === 0 || found.uid === uid
  if (!found.isDirectory() || !ours) {
    throw new PostgresError('database_not_allowed', `${path} is not a directory of ours`)
  }
  if (process.platform !== 'win32') await chmod(path, 0o700)
}
