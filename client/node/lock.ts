import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readIfThere } from './files.ts'

/** The right of this process to a state directory; it ends with the process, however that ends. */
export interface Lock {
  release(): void
}

const SQLITE_BUSY = 5

/**
 * Locks a state directory, or returns the pid of the process that has it. The lock is SQLite's exclusive one on an
 * empty file, which the operating system takes back from a killed process: no lock is ever stale, and no other
 * process can be mistaken for its holder.
 */
export async function lockStateDir(directory: string): Promise<Lock | { readonly holder: string }> {
  const holderFile = join(directory, 'pid')
  const database = new DatabaseSync(join(directory, 'lock'), { timeout: 0 })
  try {
    database.exec('pragma journal_mode = off; begin exclusive')
  } catch (error) {
    database.close()
    if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)) throw error
    return { holder: (await readIfThere(holderFile))?.toString().trim() || 'unknown' }
  }
  await writeFile(holderFile, `${process.pid}\n`)
  return { release: () => database.close() }
}
