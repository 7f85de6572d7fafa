import { spawnSync } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** A small file system of its own, which can be filled to the last byte without hurting anybody else. */
export interface SmallDisk {
  fill(): Promise<void>
  empty(): Promise<void>
  unmount(): void
}

// A cluster of PostgreSQL is 40 MB, its log 32 to 100, and a database of a run 15.
const SIZE = '400m'
const CHUNK = Buffer.alloc(1024 * 1024)

/** Mounts a tmpfs on an empty directory; undefined where that is not allowed, which is everywhere but as root on Linux. */
export function mountSmallDisk(directory: string): SmallDisk | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const args = ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0755`, 'tmpfs', directory]
  if (spawnSync('mount', args, { stdio: 'ignore' }).status !== 0) return undefined
  const ballast = join(directory, 'ballast')
  return {
    fill: () => fillWith(ballast),
    empty: () => rm(ballast, { force: true }),
    unmount: () => void spawnSync('umount', ['--lazy', directory], { stdio: 'ignore' }),
  }
}

async function fillWith(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let size = CHUNK.length; size >= 1; ) {
      const wrote = await file.write(CHUNK, 0, size).then(
        ({ bytesWritten }) => bytesWritten === size,
        error => {
          if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false
          throw error
        },
      )
      if (!wrote) size = Math.floor(size / 16)
    }
  } finally {
    await file.close()
  }
}
