import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { sha256Of } from '#domain/hash.ts'
import type { Instant, Sha256 } from '#protocol/units.ts'

/**
 * Files named by the SHA-256 of their bytes, in a directory or in a bucket (bucket-blobs.ts). A file is there completely or not
 * at all.
 */
export interface Blobs {
  has(sha256: Sha256): Promise<boolean>
  /** The path of a file on this machine, fetched and checked if it is kept elsewhere; undefined: there is none. To be opened soon. */
  local(sha256: Sha256): Promise<string | undefined>
  /** Stores bytes under their hash, which is returned. Stored twice is stored once. */
  put(bytes: Uint8Array): Promise<Sha256>
  /** How many bytes of an upload are kept. */
  received(upload: string): Promise<number>
  /** Appends to an upload at `offset`, which must be its end. */
  append(upload: string, offset: number, bytes: Uint8Array): Promise<'appended' | 'gap'>
  /** Writes an upload anew, all of it; nothing is left of one that is longer than `limit`. */
  fill(upload: string, chunks: AsyncIterable<Uint8Array>, limit: number): Promise<number | 'too_large'>
  /** Ends an upload: it becomes the file of this hash, or is thrown away when it has another. */
  finish(upload: string, sha256: Sha256): Promise<'stored' | 'hash_mismatch'>
  discard(upload: string): Promise<void>
  /** Removes a file; one that is not there is fine. */
  remove(sha256: Sha256): Promise<void>
  /** Discards uploads that nobody went on with since then. */
  sweep(before: Instant): Promise<void>
}

/** Where a file is below the directory, or under the prefix of a bucket. */
export const nameOf = (sha256: Sha256): string => `${sha256.slice(0, 2)}/${sha256}`

/** Beside the files: what is on its way. */
export const UPLOADS = 'uploads'

/** Opens (and makes) the directory. */
export async function openBlobs(directory: string): Promise<Blobs> {
  const root = resolve(directory)
  const uploads = join(root, UPLOADS)
  await mkdir(uploads, { recursive: true, mode: 0o700 })
  const uploadPath = (upload: string): string => join(uploads, upload)

  const adopt = async (temporary: string, sha256: Sha256): Promise<void> => {
    const path = join(root, nameOf(sha256))
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rename(temporary, path)
    await sync(dirname(path))
  }
  const blobs: Blobs = {
    has: async sha256 => (await blobs.local(sha256)) !== undefined,
    local: async sha256 => {
      const path = join(root, nameOf(sha256))
      return (await sizeOf(path)) === undefined ? undefined : path
    },
    put: async bytes => {
      const sha256 = sha256Of(bytes)
      if (await blobs.has(sha256)) return sha256
      const temporary = uploadPath(randomUUID())
      await writeAt(temporary, 0, bytes)
      await adopt(temporary, sha256)
      return sha256
    },
    received: async upload => (await sizeOf(uploadPath(upload))) ?? 0,
    append: async (upload, offset, bytes) => {
      if ((await blobs.received(upload)) !== offset) return 'gap'
      await writeAt(uploadPath(upload), offset, bytes)
      return 'appended'
    },
    fill: async (upload, chunks, limit) => {
      const written = await writeAll(uploadPath(upload), chunks, limit)
      if (written === 'too_large') await blobs.discard(upload)
      return written
    },
    finish: async (upload, sha256) => {
      if ((await hashFile(uploadPath(upload))) !== sha256) {
        await blobs.discard(upload)
        return 'hash_mismatch'
      }
      await adopt(uploadPath(upload), sha256)
      return 'stored'
    },
    discard: upload => rm(uploadPath(upload), { force: true }),
    remove: sha256 => rm(join(root, nameOf(sha256)), { force: true }),
    sweep: async before => {
      for (const upload of await readdir(uploads)) {
        if ((await stat(uploadPath(upload))).mtimeMs < before) await blobs.discard(upload)
      }
    },
  }
  return blobs
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

// Synced before anybody is told: what was answered survives a power failure.
async function writeAt(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, offset === 0 ? 'w' : 'r+', 0o600)
  try {
    await write(file, bytes, offset)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function writeAll(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<number | 'too_large'> {
  const file = await open(path, 'w', 0o600)
  let written = 0
  try {
    for await (const chunk of chunks) {
      if (written + chunk.length > limit) return 'too_large'
      await write(file, chunk, written)
      written += chunk.length
    }
    await file.sync()
    return written
  } finally {
    await file.close()
  }
}

async function write(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
  if (bytesWritten !== bytes.length)
    throw new Error(`only ${bytesWritten} of ${bytes.length} bytes fit on the disk`)
}

async function sync(directory: string): Promise<void> {
  if (process.platform === 'win32') return // directories cannot be opened there, and renames are journalled
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
