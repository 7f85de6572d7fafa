import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chown, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { type Confinement, confine } from './confinement.ts'
import { hasCode, PostgresError } from './errors.ts'
import type { Layout } from './layout.ts'

const MAJOR = '18'

/** The database user; only we can reach the socket, so it needs no password. */
export const DATABASE_USER = 'xeenet'

/**
 * Makes the cluster if there is none. It is made under a temporary name and renamed when complete, so that a kill in
 * the middle leaves nothing half-made and of two processes one wins.
 */
export async function ensureCluster(
  layout: Layout,
  binaries: Binaries,
  confinement: Confinement,
): Promise<void> {
  const found = await clusterVersion(layout)
  if (found === undefined) await createCluster(layout, binaries, confinement)
  else if (found !== MAJOR) {
    throw new PostgresError(
      'database_version',
      `${layout.cluster} belongs to PostgreSQL ${found}, not ${MAJOR}`,
    )
  }
}

async function clusterVersion(layout: Layout): Promise<string | undefined> {
  try {
    return (await readFile(join(layout.cluster, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const TEMPORARY_PREFIX = 'making-'

async function createCluster(layout: Layout, binaries: Binaries, confinement: Confinement): Promise<void> {
  const temporary = join(layout.dataDir, `${TEMPORARY_PREFIX}${randomUUID()}`)
  await mkdir(temporary, { mode: 0o700 })
  if (confinement.owner !== undefined) await chown(temporary, confinement.owner, confinement.owner)
  try {
    await initialise(temporary, binaries, confinement)
    await rename(temporary, layout.cluster)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    const lostTheRace = hasCode(error, 'ENOTEMPTY') || hasCode(error, 'EEXIST')
    if (!lostTheRace) throw error
  }
}

async function initialise(directory: string, binaries: Binaries, confinement: Confinement): Promise<void> {
  const [program, args] = confine(confinement, binaries.initdb, [
    ...['--pgdata', directory, '--username', DATABASE_USER, '--auth', 'trust', '--encoding', 'UTF8'],
    // Sorting by code point with full Unicode case rules, the same on every platform.
    ...['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    '--no-instructions',
  ])
  try {
    await promisify(execFile)(program, args, { env: binaries.env })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause)
    throw new PostgresError('database_start_failed', `initdb failed: ${reason}`, { cause })
  }
}

/** Removes what killed processes left half-made. Only the holder of the data directory may call it. */
export async function sweepHalfMade(layout: Layout): Promise<void> {
  for (const name of await readdir(layout.dataDir)) {
    if (name.startsWith(TEMPORARY_PREFIX))
      await rm(join(layout.dataDir, name), { recursive: true, force: true })
  }
}
