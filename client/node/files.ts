import { randomBytes } from 'node:crypto'
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Replaces a file so that a crash or a power failure at any moment leaves the old or the new one, whole: temporary
 * file beside it, sync, rename, sync of the directory.
 */
export async function writeDurably(
  path: string,
  data: string | Uint8Array | AsyncIterable<Uint8Array>,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await withFile(temporary, mode, async file => {
      await file.writeFile(data)
      await file.sync()
    })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** The file, or undefined if there is none. */
export async function readIfThere(path: string): Promise<Buffer<ArrayBuffer> | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** What a text says, or undefined if it is not JSON: the file was damaged, or is missing. */
export function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Removes a file; one that is not there is fine. */
export const removeFile = (directory: string, name: string): Promise<void> =>
  rm(join(directory, name), { force: true })

async function withFile(path: string, mode: number, use: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/** Makes a rename in this directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return // directories cannot be synced there
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
