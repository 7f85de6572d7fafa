import { mkdir, readdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha256 } from '#protocol/units.ts'
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

  async function get(hash: Sha256): Promise<Uint8Array | undefined> {
    const bytes = await readIfThere(join(directory, hash))
    if (bytes !== undefined) await touch(join(directory, hash))
    return bytes
  }

  async function put(hash: Sha256, bytes: Uint8Array): Promise<void> {
    if (bytes.length > bytesMax) return
    await evict(directory, bytesMax - bytes.length)
    await writeDurably(join(directory, hash), bytes, 0o644)
  }

  return { get, put, drop: hash => removeFile(directory, hash) }
}

/** Removes the files used least lately until at most `bytesMax` remain. */
async function evict(directory: string, bytesMax: number): Promise<void> {
  const files = await Promise.all((await readdir(directory)).map(name => sized(directory, name)))
  const known = files.filter(file => file !== undefined).sort((a, b) => b.usedMs - a.usedMs)
  let total = 0
  for (const { name, bytes } of known) {
    total += bytes
    if (total > bytesMax) await removeFile(directory, name)
  }
}

async function sized(
  directory: string,
  name: string,
): Promise<{ name: string; bytes: number; usedMs: number } | undefined> {
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
