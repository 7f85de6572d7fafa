import { readFile, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { PostgresError } from './errors.ts'
import type { Layout } from './layout.ts'

/** The right to run the database in a data directory; the kernel takes it back when this process ends, however it ends. */
export interface DirectoryLock {
  release(): void
}

const SQLITE_BUSY = 5

/**
 * Takes the data directory for this process, or throws `database_in_use` with the holder's pid. The lock is SQLite's
 * exclusive one on an empty file: a lock held by the kernel on every platform, which Node offers in no other way, so
 * a killed process leaves no stale lock and no pid can be mistaken for another's.
 */
export async function lockDirectory(layout: Layout): Promise<DirectoryLock> {
  const database = openLock(layout)
  try {
    database.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw notAllowed(layout, error)
    const holder = await readHolder(layout)
    throw new PostgresError(
      'database_in_use',
      `process ${holder} already runs the database in ${layout.dataDir}`,
    )
  }
  try {
    await writeFile(layout.holder, `${process.pid}\n`)
  } catch (error) {
    database.close() // on a full disk, say: the next attempt of this process must not find it locked, by itself
    throw error
  }
  return { release: () => database.close() }
}

function openLock(layout: Layout): DatabaseSync {
  try {
    return new DatabaseSync(layout.lock, { timeout: 0 })
  } catch (error) {
    throw notAllowed(layout, error)
  }
}

const notAllowed = (layout: Layout, cause: unknown): PostgresError =>
  new PostgresError('database_not_allowed', `${layout.lock} cannot be written`, { cause })

const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY

// The file is only for people: who holds the lock is known by the lock.
async function readHolder(layout: Layout): Promise<string> {
  try {
    return (await readFile(layout.holder, 'utf8')).trim() || '(unknown)'
  } catch {
    return '(unknown)'
  }
}
