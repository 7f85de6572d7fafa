import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { lchown, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { type Confinement, confine, type Owner } from './confinement.ts'
import { DATABASE_USER } from './endpoint.ts'
import { hasCode, PostgresError } from './errors.ts'
import type { Layout } from './layout.ts'

const MAJOR = '18'

/**
 * Makes the cluster if there is none, under a temporary name that is changed when it is complete: a kill in the middle
 * leaves no half of a database. Call it with the directory's lock held.
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
  if (confinement.owner !== undefined) await handOver(layout, confinement.owner)
}

/** Who owns the cluster; undefined when there is none. */
export async function clusterOwner(layout: Layout): Promise<Owner | undefined> {
  try {
    const { uid, gid } = await stat(layout.cluster)
    return { uid, gid }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

// Everything the user needs to run this database without root, and nothing that is not ours.
async function handOver(layout: Layout, { uid, gid }: Owner): Promise<void> {
  for (const path of [layout.lock, layout.holder, layout.password]) await lchown(path, uid, gid)
  if ((await stat(layout.cluster)).uid === uid) return
  for (const entry of await readdir(layout.cluster, { recursive: true })) {
    await lchown(join(layout.cluster, entry), uid, gid)
  }
  await lchown(layout.cluster, uid, gid) // last: it is what the next start looks at
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
  if (confinement.owner !== undefined) await lchown(temporary, confinement.owner.uid, confinement.owner.gid)
  try {
    await initialise(temporary, layout, { binaries, confinement })
    await rename(temporary, layout.cluster)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw error
  }
}

async function initialise(
  directory: string,
  layout: Layout,
  { binaries, confinement }: { readonly binaries: Binaries; readonly confinement: Confinement },
): Promise<void> {
  const [program, args] = confine(confinement, binaries.initdb, [
    ...['--pgdata', directory, '--username', DATABASE_USER, '--encoding', 'UTF8'],
    ...['--auth-local', 'trust', '--auth-host', 'scram-sha-256', '--pwfile', layout.password],
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

/** Removes what killed processes left half-made. Call it with the directory's lock held. */
export async function sweepHalfMade(layout: Layout): Promise<void> {
  for (const name of await readdir(layout.dataDir)) {
    if (name.startsWith(TEMPORARY_PREFIX))
      await rm(join(layout.dataDir, name), { recursive: true, force: true })
  }
}
