import { sha256 } from '#protocol/canonical.ts'
import type { RunErrorCode } from '#protocol/report.ts'
import type { Sha256 } from '#protocol/units.ts'

/** Files by their SHA-256. A cache may forget, and need not check: `fetchByHash` does. */
export interface FileCache {
  get(hash: Sha256): Promise<Uint8Array | undefined>
  put(hash: Sha256, bytes: Uint8Array): Promise<void>
  drop(hash: Sha256): Promise<void>
  /** What it knows to be there, the last used ones first. */
  hashes(): Promise<readonly Sha256[]>
}

export type Fetched =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: RunErrorCode; readonly detail: string }

// One repetition: a proxy or a disk flips bits once, a server that lies does so always.
const DOWNLOADS_MAX = 2

/**
 * The file of that hash, from the cache or by `download`, checked every time: what is damaged is dropped and fetched
 * once more. `download` throws when it cannot reach the file.
 */
export async function fetchByHash(
  hash: Sha256,
  from: { cache: FileCache; download: (hash: Sha256) => Promise<Uint8Array> },
): Promise<Fetched> {
  const cached = await from.cache.get(hash)
  if (cached !== undefined && (await sha256(cached)) === hash) return { ok: true, bytes: cached }
  if (cached !== undefined) await from.cache.drop(hash)
  for (let attempt = 1; attempt <= DOWNLOADS_MAX; attempt++) {
    let bytes: Uint8Array
    try {
      bytes = await from.download(hash)
    } catch (error) {
      return { ok: false, code: 'download_failed', detail: `${hash.slice(0, 12)}…: ${messageOf(error)}` }
    }
    if ((await sha256(bytes)) !== hash) continue
    await from.cache.put(hash, bytes)
    return { ok: true, bytes }
  }
  return {
    ok: false,
    code: 'download_corrupt',
    detail: `${hash.slice(0, 12)}…: its bytes do not have this hash`,
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
