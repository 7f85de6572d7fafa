import { mkdir } from 'node:fs/promises'
import { isMainThread } from 'node:worker_threads'
import { findBinaries } from './binaries.ts'
import { clusterOwner, ensureCluster, sweepHalfMade } from './cluster.ts'
import { type Confinement, chooseConfinement, confinements } from './confinement.ts'
import {
  chooseEndpoint,
  closeEndpoint,
  connectionString,
  defaultTransport,
  ensurePassword,
  type Transport,
} from './endpoint.ts'
import { hasCode, PostgresError } from './errors.ts'
import { type Layout, layoutOf } from './layout.ts'
import { lockDirectory } from './lock.ts'
import { launchServer, type Prepared, type Server } from './server.ts'
import { diskSettings } from './settings.ts'

/** What the launcher needs of a logger; pino's has this shape. */
export interface PostgresLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface StartOptions {
  readonly dataDir: string
  readonly log: PostgresLog
  readonly programs?: string | undefined // the directory of another PostgreSQL's, of the same major version
  readonly settings?: Readonly<Record<string, string>> // of postgresql.conf, over ours
  readonly confinements?: readonly Confinement[] // to try in this order, instead of those for this user
  readonly transport?: Transport // instead of this platform's
}

/** A running embedded database. `died` settles when it ends without having been stopped. */
export interface RunningPostgres {
  readonly connectionString: string
  readonly pid: number
  readonly died: Promise<Error>
  stop(): Promise<void>
}

/**
 * Starts the embedded PostgreSQL on `dataDir`, making the database if there is none. Throws `PostgresError`:
 * `database_in_use` when another process runs it, and the other codes of errors.ts.
 */
export async function startPostgres(options: StartOptions): Promise<RunningPostgres> {
  const { prepared, server, release } = await prepareAndLaunch(options)
  let stopping = false
  const died = Promise.withResolvers<Error>()
  const ended = server.exited.then(async reason => {
    await release()
    if (!stopping) died.resolve(reason)
  })
  return {
    connectionString: connectionString(prepared.endpoint),
    pid: server.pid,
    died: died.promise,
    stop: async () => {
      stopping = true
      await server.stop()
      await ended
    },
  }
}

/** A first server, what is needed to start the next, and how to give the data directory back. */
export interface Launched {
  readonly prepared: Prepared
  readonly server: Server
  release(): Promise<void>
}

/** The part that `startPostgres` and `supervisePostgres` share. Holds the data directory unless it throws. */
export async function prepareAndLaunch(options: StartOptions): Promise<Launched> {
  if (!isMainThread) throw new PostgresError('database_main_thread', 'this is a worker thread')
  const layout = layoutOf(options.dataDir)
  await makeDataDirectory(layout)
  const lock = await lockDirectory(layout)
  try {
    const prepared = await prepare(layout, options)
    const server = await launchServer(prepared)
    options.log.info({ pid: server.pid, dataDir: layout.dataDir }, 'PostgreSQL is ready')
    const release = async () => {
      await closeEndpoint(prepared.endpoint)
      lock.release()
    }
    return { prepared, server, release }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function makeDataDirectory(layout: Layout): Promise<void> {
  try {
    await mkdir(layout.dataDir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const expected = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'].some(code => hasCode(cause, code))
    if (!expected) throw cause
    throw new PostgresError('database_not_allowed', `${layout.dataDir} cannot be made a directory`, { cause })
  }
}

async function prepare(layout: Layout, options: StartOptions): Promise<Prepared> {
  await sweepHalfMade(layout)
  await ensurePassword(layout)
  const binaries = await findBinaries(layout.libraries, options.programs)
  const isRoot = process.getuid?.() === 0
  const candidates = options.confinements ?? confinements(isRoot, await clusterOwner(layout))
  const confinement = await chooseConfinement(binaries, candidates)
  await ensureCluster(layout, binaries, confinement)
  const endpoint = await chooseEndpoint(layout, options.transport ?? defaultTransport())
  const warn = options.log.warn.bind(options.log)
  const settings = { ...(await diskSettings(layout.cluster, warn)), ...options.settings }
  return { layout, binaries, confinement, endpoint, settings }
}
