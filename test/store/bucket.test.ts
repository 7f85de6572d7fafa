import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addMs, instant, Sha256 } from '#protocol/units.ts'
import { proveBucket } from '#server/files.ts'
import type { Blobs } from '#store/blobs.ts'
import { BucketError, type BucketPlace, openBucket } from '#store/bucket.ts'
import { openBucketBlobs } from '#store/bucket-blobs.ts'
import { isUnavailable } from '#store/errors.ts'
import { type Storage, startStorage } from '#support/storage.ts'

let folder: string
let storage: Storage
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xeenet-bucket-'))
  storage = await startStorage(join(folder, 'storage'))
})
afterAll(async () => {
  await storage.kill()
  await rm(folder, { recursive: true, force: true })
})

let now = instant(1_800_000_000_000)
const machine = (name: string, cacheBytes = 1e9): Promise<Blobs> =>
  openBucketBlobs({
    ...{ bucket: openBucket(storage.place), cacheDirectory: join(folder, name), cacheBytes },
    now: () => now,
  })
const hashOf = (...chunks: readonly Uint8Array[]): Sha256 => {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return Sha256.parse(hash.digest('hex'))
}
const nameOf = (hash: Sha256): string => `files/${hash.slice(0, 2)}/${hash}`
async function* each(chunks: readonly Uint8Array[]) {
  yield* chunks
}
const copiesOn = async (name: string): Promise<string[]> => {
  const entries = await readdir(join(folder, name), { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => entry.name)
}

test('a large file goes in parts, and comes to another machine with the bytes of its hash, once for all who ask', async () => {
  const chunks = Array.from({ length: 12 }, () => randomBytes(1024 * 1024))
  const hash = hashOf(...chunks)
  const [here, there] = [await machine('sender'), await machine('receiver')]
  await here.fill('u', each(chunks), 1e9)
  expect(await there.has(hash)).toBe(false)
  expect(await here.finish('u', hash)).toBe('stored')
  const paths = await Promise.all([there.local(hash), there.local(hash), there.local(hash)])
  expect(new Set(paths).size).toBe(1)
  expect(hashOf(await readFile(paths[0]!))).toBe(hash)
  expect(await copiesOn('receiver')).toEqual([hash])
})

test('an upload whose process is killed in the middle leaves nothing that is seen, and is made again', async () => {
  const name = 'files/killed'
  const child: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, 'upload.ts'), JSON.stringify(storage.place), name],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(child.stdout!, 'data') // some parts are on their way, the rest will never be
  child.kill('SIGKILL')
  await once(child, 'exit')
  const bucket = openBucket(storage.place)
  expect(await bucket.has(name)).toBe(false)
  expect(await Array.fromAsync(bucket.list(name))).toEqual([])
  await bucket.write(name, Buffer.from('again'))
  expect(Buffer.concat(await Array.fromAsync((await bucket.read(name))!)).toString()).toBe('again')
})

test('other bytes than those of the hash are never given to anybody', async () => {
  const bytes = randomBytes(1_000)
  const hash = await (await machine('writer')).put(bytes)
  await openBucket(storage.place).write(nameOf(hash), randomBytes(1_000))
  const reader = await machine('reader')
  await expect(reader.local(hash)).rejects.toThrow('other bytes')
  expect(await copiesOn('reader')).toEqual([])
  await openBucket(storage.place).write(nameOf(hash), bytes)
  expect(await readFile((await reader.local(hash))!)).toEqual(bytes)
})

test('copies take no more than they may: those go that were not used for longest, and come back when asked for', async () => {
  const blobs = await machine('small', 2_500)
  const hashes: Sha256[] = []
  for (let i = 0; i < 3; i++) hashes.push(await blobs.put(randomBytes(1_000)))
  const [a, b, c] = hashes as [Sha256, Sha256, Sha256]
  await blobs.local(a)
  now = addMs(now, 60_000)
  await blobs.local(b)
  now = addMs(now, 60_000)
  await blobs.local(a)
  await blobs.local(c) // all are in use
  expect((await copiesOn('small')).sort()).toEqual([a, b, c].sort())
  await blobs.remove(c)
  now = addMs(now, 9.5 * 60_000) // b was used 10.5 minutes ago, a 9.5
  const d = await blobs.put(randomBytes(1_000))
  await blobs.local(d)
  expect((await copiesOn('small')).sort()).toEqual([a, d].sort())
  expect(hashOf(await readFile((await blobs.local(b))!))).toBe(b)
})

describe('what is wrong is said with a code and a hint', () => {
  const refusal = async (place: Partial<BucketPlace>) =>
    proveBucket(openBucket({ ...storage.place, ...place })).then(
      () => undefined,
      (error: unknown) => error,
    )

  test('nothing, when all is well; and nothing of the look is left', async () => {
    expect(await refusal({})).toBeUndefined()
    expect(await Array.fromAsync(openBucket(storage.place).list('uploads/'))).toEqual([])
  })

  test.each<[BucketError['code'], RegExp, Partial<BucketPlace>]>([
    ['files_bucket_missing', /Create the bucket/, { bucket: 'nowhere' }],
    ['files_refused', /XEENET_S3_ACCESS_KEY/, { accessKey: 'else' }],
    ['files_refused', /XEENET_S3_SECRET_KEY/, { secretKey: 'else' }],
    ['files_unreachable', /XEENET_S3_URL/, { endpoint: 'http://127.0.0.1:1' }],
  ])('%s', async (code, hint, place) => {
    const error = await refusal(place)
    expect(error).toBeInstanceOf(BucketError)
    expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) })
    expect(isUnavailable(error)).toBe(code === 'files_unreachable')
  })

  test('a storage that is started again after a kill is used on, with all that was stored', async () => {
    const blobs = await machine('patient')
    const hash = await blobs.put(randomBytes(1_000))
    await storage.kill()
    const calls = [
      () => blobs.has(hash),
      () => blobs.local(hash),
      () => blobs.put(randomBytes(10)),
      () => blobs.append('u', 0, randomBytes(10)),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'files_unreachable' })
    await storage.again()
    expect(await blobs.has(hash)).toBe(true)
    expect(hashOf(await readFile((await blobs.local(hash))!))).toBe(hash)
  })
})
