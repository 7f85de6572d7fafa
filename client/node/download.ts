import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Sha256 } from '#protocol/units.ts'
import { askChunks, type Endpoint } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from './failure.ts'
import { isMissing, syncDirectory } from './files.ts'

interface Wanted {
  readonly sha256: Sha256
  readonly bytes: number
}

/**
 * Downloads a file by its hash to `path`. What a broken transfer left at `path`.part is gone on with; the name is given only to bytes
 * of that hash. Throws a failure (`file_hash_mismatch`) when others came, and leaves none of them.
 */
export async function downloadFile(
  endpoint: Endpoint,
  { sha256, bytes }: Wanted,
  path: string,
): Promise<void> {
  if ((await sizeOf(path)) === bytes && (await hashOf(path)) === sha256) return
  const part = `${path}.part`
  if ((await sizeOf(part)) > bytes) await rm(part)
  const file = await open(part, 'a')
  try {
    await append(endpoint, file, { sha256, bytes, from: (await file.stat()).size })
    await file.sync()
  } finally {
    await file.close()
  }
  if ((await hashOf(part)) !== sha256) {
    await rm(part)
    const what = `${path}: what came does not have the checksum ${sha256}`
    throw new Failure(EXIT.failure, 'file_hash_mismatch', { what, hint: 'Nothing was kept. Try again.' })
  }
  await rename(part, path)
  await syncDirectory(dirname(path))
}

async function append(
  endpoint: Endpoint,
  file: FileHandle,
  { sha256, bytes, from }: Wanted & { readonly from: number },
): Promise<void> {
  if (from === bytes) return
  const headers = from === 0 ? {} : { range: `bytes=${from}-` }
  const asked = { method: 'GET', path: `/api/v1/files/${sha256}`, headers } as const
  for await (const chunk of askChunks(endpoint, asked)) await file.writeFile(chunk)
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (isMissing(error)) return -1
    throw error
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
