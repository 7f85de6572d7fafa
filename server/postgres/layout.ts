import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where everything of one embedded database lives. */
export interface Layout {
  readonly dataDir: string
  readonly cluster: string // PGDATA
  readonly log: string
  readonly lock: string // held while a process runs the database
  readonly holder: string // that process's pid, for people
  readonly password: string // of the loopback, where there are no Unix sockets
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
    password: join(absolute, 'password'),
    libraries: join(absolute, 'lib'),
    socketDir: fits ? wished : join('/tmp', name),
  }
}
