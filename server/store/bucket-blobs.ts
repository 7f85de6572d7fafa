import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256Of } from '#domain/hash.ts'
import type { Instant, Sha256 } from '#protocol/units.ts'
import { type Blobs, nameOf, openBlobs, UPLOADS } from './blobs.ts'
import type { Bucket } from './bucket.ts'

interface BucketBlobsOptions {
  readonly bucket: Bucket
  /** On this machine: copies of what was asked for, and what is just being written. Nothing is lost with it. */
  readonly cacheDirectory: string
  /** What the copies may take; more only while all of them are in use. */
  readonly cacheBytes: number
  readonly now: () => Instant
}

/**
 * Files in a bucket, which is the truth about what there is. A file becomes visible by the storage's own commit of its last part,
 * with the bytes of its hash or not at all; a copy is checked when it is fetched. Pieces of an upload are objects, so that each may be taken
 * by another process; what is written at one go (`fill`) waits on this machine for `finish`.
 */
export async function openBucketBlobs({
  bucket,
  cacheDirectory,
  cacheBytes,
  now,
}: BucketBlobsOptions): Promise<Blobs> {
  const copies = await openBlobs(cacheDirectory)
  const fetching = new Map<Sha256, Promise<string | undefined>>()
  /** The path of a copy that has just been made. */
  const keep = async (sha256: Sha256): Promise<string | undefined> => {
    const path = await copies.local(sha256)
    if (path !== undefined) await noteUse(path, now())
    await trimCopies(cacheDirectory, cacheBytes, now())
    return path
  }
  const fetchCopy = async (sha256: Sha256): Promise<string | undefined> => {
    const chunks = await bucket.read(fileOf(sha256))
    if (chunks === undefined) return undefined
    const upload = `fetch.${randomUUID()}`
    try {
      await copies.fill(upload, chunks, Number.MAX_SAFE_INTEGER)
      if ((await copies.finish(upload, sha256)) !== 'stored')
        throw new Error(`the bucket has other bytes under ${fileOf(sha256)}`)
    } finally {
      await copies.discard(upload)
    }
    return keep(sha256)
  }
  const fetchOnce = (sha256: Sha256): Promise<string | undefined> => {
    const begun = fetching.get(sha256) ?? fetchCopy(sha256).finally(() => fetching.delete(sha256))
    fetching.set(sha256, begun)
    return begun
  }
  const send = async (sha256: Sha256): Promise<void> => {
    const path = await keep(sha256)
    if (path === undefined) throw new Error(`${sha256} was removed while it was sent`)
    if (!(await bucket.has(fileOf(sha256)))) await bucket.write(fileOf(sha256), createReadStream(path))
  }
  const blobs: Blobs = {
    has: sha256 => bucket.has(fileOf(sha256)),
    local: async sha256 => {
      const copy = await copies.local(sha256)
      return copy !== undefined && (await noteUse(copy, now())) ? copy : fetchOnce(sha256)
    },
    put: async bytes => {
      const sha256 = sha256Of(bytes)
      if (!(await blobs.has(sha256))) await bucket.write(fileOf(sha256), bytes)
      return sha256
    },
    received: async upload => (await piecesOf(bucket, upload)).bytes,
    append: async (upload, offset, bytes) => {
      if ((await blobs.received(upload)) !== offset) return 'gap'
      await bucket.write(`${piecesAt(upload)}${String(offset).padStart(OFFSET_DIGITS, '0')}`, bytes)
      return 'appended'
    },
    fill: async (upload, chunks, limit) => {
      await removeAll(bucket, piecesAt(upload))
      return copies.fill(upload, chunks, limit)
    },
    finish: async (upload, sha256) => {
      const { names } = await piecesOf(bucket, upload)
      if (names.length > 0) await copies.fill(upload, joined(bucket, names), Number.MAX_SAFE_INTEGER)
      const outcome = await copies.finish(upload, sha256)
      if (outcome === 'stored') await send(sha256)
      await removeAll(bucket, piecesAt(upload))
      return outcome
    },
    discard: async upload => {
      await copies.discard(upload)
      await removeAll(bucket, piecesAt(upload))
    },
    remove: async sha256 => {
      await bucket.remove(fileOf(sha256))
      await copies.remove(sha256)
    },
    sweep: async before => {
      await copies.sweep(before)
      await removeAll(bucket, `${UPLOADS}/`, before)
    },
  }
  return blobs
}

// The same tree as that of a directory, so that one may be copied over the other.
const fileOf = (sha256: Sha256): string => `files/${nameOf(sha256)}`
const piecesAt = (upload: string): string => `${UPLOADS}/${upload}/`
const OFFSET_DIGITS = 12 // names of pieces are in their order

/** The pieces that follow each other from the first byte on. What comes after a gap does not count, and is written anew. */
async function piecesOf(bucket: Bucket, upload: string): Promise<{ names: string[]; bytes: number }> {
  const names: string[] = []
  let bytes = 0
  for await (const piece of bucket.list(piecesAt(upload))) {
    if (Number(piece.name.slice(-OFFSET_DIGITS)) !== bytes) break
    names.push(piece.name)
    bytes += piece.bytes
  }
  return { names, bytes }
}

async function* joined(bucket: Bucket, names: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const name of names) yield* (await bucket.read(name)) ?? []
}

async function removeAll(bucket: Bucket, start: string, before = Number.POSITIVE_INFINITY): Promise<void> {
  for await (const { name, at } of bucket.list(start)) if (at < before) await bucket.remove(name)
}

/** Whoever was told the path of a copy has so long to open it. */
const UNUSED_MS = 10 * 60_000

/** False when the copy is gone. The time of its last use is that of its last access: a file system may not keep that by itself. */
async function noteUse(path: string, now: Instant): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path)
    await utimes(path, now / 1000, mtimeMs / 1000)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** Removes the copies that were not used for longest until the rest fits. Other processes may do the same at once. */
async function trimCopies(directory: string, bytesMax: number, now: Instant): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter(e => e.isFile() && !e.parentPath.endsWith(UPLOADS))
    .map(e => join(e.parentPath, e.name))
  const found = await Promise.all(
    paths.map(async path => ({ path, facts: await stat(path).catch(() => undefined) })),
  )
  const kept = found.flatMap(({ path, facts }) => (facts === undefined ? [] : [{ path, ...facts }]))
  let total = kept.reduce((sum, { size }) => sum + size, 0)
  for (const { path, size, atimeMs } of kept.toSorted((a, b) => a.atimeMs - b.atimeMs)) {
    if (total <= bytesMax || atimeMs > now - UNUSED_MS) return
    await rm(path, { force: true })
    total -= size
  }
}
