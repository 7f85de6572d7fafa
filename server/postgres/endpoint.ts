import { randomBytes } from 'node:crypto'
import { chmod, lchown, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Owner } from './confinement.ts'
import { hasCode, PostgresError } from './errors.ts'
import type { Layout } from './layout.ts'

/** The database user. On the private socket it needs no password. */
export const DATABASE_USER = 'xeenet'

/** Where the server listens: on a Unix socket that only we can reach, or, where there are none (Windows), on the loopback. */
export type Endpoint =
  | { readonly type: 'socket'; readonly directory: string }
  | { readonly type: 'tcp'; readonly port: number; readonly password: string }

export type Transport = Endpoint['type']

/** The transport of this platform: what Node calls a Unix socket on Windows is a named pipe, which PostgreSQL does not speak. */
export const defaultTransport = (): Transport => (process.platform === 'win32' ? 'tcp' : 'socket')

/** Chooses the endpoint for as long as this process runs the database. `ensurePassword` comes before. */
export async function chooseEndpoint(layout: Layout, transport: Transport): Promise<Endpoint> {
  if (transport === 'socket') return { type: 'socket', directory: layout.socketDir }
  return { type: 'tcp', port: await freePort(), password: (await readFile(layout.password, 'utf8')).trim() }
}

/** How to connect, in a form that pg and psql both read. */
export function connectionString(endpoint: Endpoint): string {
  if (endpoint.type === 'socket') {
    return `postgresql://${DATABASE_USER}@/postgres?host=${encodeURIComponent(endpoint.directory)}`
  }
  return `postgresql://${DATABASE_USER}:${endpoint.password}@127.0.0.1:${endpoint.port}/postgres`
}

/** The server's settings for the endpoint. */
export function endpointSettings(endpoint: Endpoint): Record<string, string> {
  if (endpoint.type === 'socket') {
    return {
      listen_addresses: '',
      unix_socket_directories: endpoint.directory,
      unix_socket_permissions: '0700',
    }
  }
  return { listen_addresses: '127.0.0.1', port: String(endpoint.port), unix_socket_directories: '' }
}

/**
 * Makes the socket's directory, which only we (or the user who runs the server for us) can enter; refuses one that
 * somebody else prepared under its name. What a killed server left in it is removed: PostgreSQL would believe the pid
 * in the socket's lock file even of a zombie. Call it when no server of ours runs. Does nothing for the loopback.
 */
export async function openEndpoint(endpoint: Endpoint, owner: Owner | undefined): Promise<void> {
  if (endpoint.type === 'tcp') return
  const { directory } = endpoint
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const found = await lstat(directory)
  const uid = process.getuid?.()
  const ours = uid === 0 || found.uid === uid
  if (!found.isDirectory() || !ours) {
    throw new PostgresError('database_not_allowed', `${directory} is not a directory of ours`)
  }
  await chmod(directory, 0o700)
  for (const name of await readdir(directory)) await rm(join(directory, name))
  if (owner !== undefined) await lchown(directory, owner.uid, owner.gid)
}

/** Removes what `openEndpoint` made. */
export async function closeEndpoint(endpoint: Endpoint): Promise<void> {
  if (endpoint.type === 'socket') await rm(endpoint.directory, { recursive: true, force: true })
}

/** Makes the password of the loopback, readable by us only. The cluster is made with it, whatever its first endpoint. */
export async function ensurePassword(layout: Layout): Promise<void> {
  try {
    await writeFile(layout.password, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  }
}

async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const probe = createServer()
  probe.once('error', reject)
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address()
    probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
  })
  return promise
}
