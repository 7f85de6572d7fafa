import { mkdir, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Sha256 } from '#protocol/units.ts'
import type { FileCache } from '#runtime/cache.ts'
import { isMissing, readIfThere, removeFile, writeDurably } from './files.ts'

/** Two gigabytes: every built-in data set and kernel several times over. */
const CACHE_BYTES_DEFAULT = 2 * 1024 ** 3

/**
 * A directory of files named by their SHA-256, at most `bytesMax` in all: the ones not used for longest go first.
 * Several clients may share it: files appear by rename, and what disappears is fetched again.
 */
export async function openDiskCache(directory: string, bytesMax = CACHE_BYTES_DEFAULT): Promise<FileCache> {
  await mkdir(directory, { recursive: true })
  // What is there, the last used at the end. Read once: what others do to the directory afterwards is no matter.
  const used = new Set(
    (await filesIn(directory)).flatMap(({ name }) => Sha256.safeParse(name).data ?? []).toReversed(),
  )
  const noteUse = (hash: Sha256): void => {
    used.delete(hash)
    used.add(hash)
  }

  async function get(hash: Sha256): Promise<Uint8Array | undefined> {
    const bytes = await readIfThere(join(directory, hash))
    if (bytes === undefined) used.delete(hash)
    else {
      noteUse(hash)
      await touch(join(directory, hash))
    }
    return bytes
  }

  async function put(hash: Sha256, bytes: Uint8Array): Promise<void> {
    if (bytes.length > bytesMax) return
    await evict(directory, bytesMax - bytes.length)
    await writeDurably(join(directory, hash), bytes, 0o644)
    noteUse(hash)
  }

  async function drop(hash: Sha256): Promise<void> {
    used.delete(hash)
    await removeFile(directory, hash)
  }

  return { get, put, drop, hashes: async () => [...used].toReversed() }
}

/** Removes the files used least lately until at most `bytesMax` remain. */
async function evict(directory: string, bytesMax: number): Promise<void> {
  let total = 0
  for (const { name, bytes } of await filesIn(directory)) {
    total += bytes
    if (total > bytesMax) await removeFile(directory, name)
  }
}

/** The last used ones first. */
async function filesIn(directory: string): Promise<Sized[]> {
  const files = await Promise.all((await readdir(directory)).map(name => sized(directory, name)))
  return files.filter(file => file !== undefined).sort((a, b) => b.usedMs - a.usedMs)
}

interface Sized {
  readonly name: string
  readonly bytes: number
  readonly usedMs: number
}

async function sized(directory: string, name: string): Promise<Sized | undefined> {
  try {
    const { size, mtimeMs } = await stat(join(directory, name))
    return { name, bytes: size, usedMs: mtimeMs }
  } catch (error) {
    if (isMissing(error)) return undefined // another client evicted it
    throw error
  }
}

/** Marks a file as used. It may have been evicted by another client meanwhile. */
async function touch(path: string): Promise<void> {
  const now = new Date()
  try {
    await utimes(path, now, now)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
