import { openDB } from 'idb'
import { DATABASE, FILES, LOCK } from './messages.ts'

/** What this browser profile keeps of the volunteer. */
export interface LocalData {
  readonly bytes: number
  /** Runs that were begun and are not finished. */
  readonly runs: number
  /** Results that no server has yet. */
  readonly unsent: number
}

export async function localData(): Promise<LocalData> {
  const { usage = 0 } = (await navigator.storage?.estimate?.()) ?? {}
  const there = (await indexedDB.databases()).some(({ name }) => name === DATABASE)
  if (!there) return { bytes: usage, runs: 0, unsent: 0 }
  const db = await openDB(DATABASE)
  try {
    const [leases, unsent] = [await db.count('leases'), await db.count('outbox')]
    return { bytes: usage, runs: Math.max(0, leases - unsent), unsent }
  } finally {
    db.close()
  }
}

/** Forgets key, token, checkpoints, results, kernels and data. False: a volunteer of this browser runs, and nothing was deleted. */
export function deleteLocalData(): Promise<boolean> {
  return navigator.locks.request(LOCK, { ifAvailable: true }, async lock => {
    if (lock === null) return false
    await caches.delete(FILES)
    await new Promise<void>((resolve, reject) => {
      const asked = indexedDB.deleteDatabase(DATABASE)
      asked.onsuccess = () => resolve()
      asked.onerror = () => reject(asked.error ?? new Error('the database could not be deleted'))
    })
    return true
  })
}
