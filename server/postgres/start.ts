import { mkdir } from 'node:fs/promises'
import { isMainThread } from 'node:worker_threads'
import { findBinaries } from './binaries.ts'
import { clusterOwner, DATABASE_USER, ensureCluster, sweepHalfMade } from './cluster.ts'
import { type Confinement, chooseConfinement, confinements } from './confinement.ts'
import { PostgresError } from './errors.ts'
import { type Layout, layoutOf, makeSocketDirectory } from './layout.ts'
import { type DirectoryLock, lockDirectory } from './lock.ts'
import { launchServer, type Prepared } from './server.ts'

/** What the launcher needs of a logger; pino's has this shape. */
export interface PostgresLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface StartOptions {
  readonly dataDir: string
  readonly log: PostgresLog
  readonly settings?: Readonly<Record<string, string>> // of postgresql.conf, over ours
  readonly confinements?: readonly Confinement[] // to try in this order, instead of those for this user
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
  const { prepared, lock } = await prepare(options)
  try {
    const server = await launchServer(prepared)
    options.log.info({ pid: server.pid, dataDir: prepared.layout.dataDir }, 'PostgreSQL is ready')
    void server.exited.then(() => lock.release())
    const stopped = Promise.withResolvers<Error>()
    let stopping = false
    void server.exited.then(error => stopping || stopped.resolve(error))
    return {
      connectionString: connectionString(prepared.layout),
      pid: server.pid,
      died: stopped.promise,
      stop: async () => {
        stopping = true
        await server.stop()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Takes the data directory and makes it ready for a server; `launchServer` may then be called again and again. */
export async function prepare(options: StartOptions): Promise<{ prepared: Prepared; lock: DirectoryLock }> {
  if (!isMainThread) throw new PostgresError('database_main_thread', 'this is a worker thread')
  const layout = layoutOf(options.dataDir)
  await mkdir(layout.dataDir, { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(layout)
  try {
    await makeSocketDirectory(layout.socketDir)
    await sweepHalfMade(layout)
    const binaries = await findBinaries(layout.libraries)
    const isRoot = process.getuid?.() === 0
    const candidates = options.confinements ?? confinements(isRoot, await clusterOwner(layout))
    const confinement = await chooseConfinement(binaries, candidates)
    await ensureCluster(layout, binaries, confinement)
    return { prepared: { layout, binaries, confinement, settings: options.settings ?? {} }, lock }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Where to connect: through the private socket, as the one user, in a form that pg and psql both read. */
export function connectionString(layout: Layout): string {
  return `postgresql://${DATABASE_USER}@/postgres?host=${encodeURIComponent(layout.socketDir)}`
}
