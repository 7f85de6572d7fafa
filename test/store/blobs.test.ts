import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '#protocol/canonical.ts'
import { instant, type Sha256 } from '#protocol/units.ts'
import { type Blobs, openBlobs } from '#store/blobs.ts'
import { openBucket } from '#store/bucket.ts'
import { openBucketBlobs } from '#store/bucket-blobs.ts'
import { type Storage, startStorage } from '#support/storage.ts'

let folder: string
let storage: Storage
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xeenet-blobs-'))
  storage = await startStorage(join(folder, 'storage'))
})
afterAll(async () => {
  await storage.kill()
  await rm(folder, { recursive: true, force: true })
})

const bytes = (text: string) => new TextEncoder().encode(text)
async function* chunks(...texts: string[]) {
  for (const text of texts) yield bytes(text)
}

/** The same files by hash, as another process of the server has them. */
const inBucket = (machine: string): Promise<Blobs> =>
  openBucketBlobs({
    bucket: openBucket(storage.place),
    cacheDirectory: join(folder, machine),
    cacheBytes: 1e9,
    now: () => instant(2_000_000),
  })
const kinds = {
  'a directory': () => openBlobs(join(folder, 'files')),
  'a bucket': (machine = 'one') => inBucket(machine),
}

describe.each(Object.entries(kinds))('files by hash in %s', (kind, open) => {
  let blobs: Blobs
  beforeAll(async () => {
    blobs = await open()
  })

  /** What is on its way, on this machine and in the bucket. */
  const uploads = async (): Promise<string[]> => {
    if (kind === 'a directory') return readdir(join(folder, 'files', 'uploads'))
    const here = await readdir(join(folder, 'one', 'uploads'))
    const there = await Array.fromAsync(openBucket(storage.place).list('uploads/'))
    return [...here, ...there.map(({ name }) => name.split('/')[1] ?? '')]
  }
  const textOf = async (hash: Sha256) => readFile((await blobs.local(hash)) ?? '', 'utf8')

  test('what is stored twice, or by several at once, is stored once', async () => {
    const hashes = await Promise.all([1, 2, 3].map(() => blobs.put(bytes('hello'))))
    const hash = await sha256(bytes('hello'))
    expect(new Set(hashes)).toEqual(new Set([hash]))
    expect(await blobs.has(hash)).toBe(true)
    expect(await textOf(hash)).toBe('hello')
    expect(await uploads()).toEqual([])
    await blobs.remove(hash)
    await blobs.remove(hash)
    expect([await blobs.has(hash), await blobs.local(hash)]).toEqual([false, undefined])
  })

  test('an upload grows at its end only, survives a restart, and becomes the file of its hash', async () => {
    const hash = await sha256(bytes('one two'))
    expect(await blobs.append('u', 0, bytes('one '))).toBe('appended')
    expect(await blobs.append('u', 3, bytes('x'))).toBe('gap')
    const again = await open('two')
    expect(await again.received('u')).toBe(4)
    expect(await again.append('u', 4, bytes('two'))).toBe('appended')
    expect(await again.finish('u', hash)).toBe('stored')
    expect(await blobs.has(hash)).toBe(true)
    expect(await textOf(hash)).toBe('one two')
    expect(await again.received('u')).toBe(0)
  })

  test('an upload of another hash, or longer than its limit, leaves nothing', async () => {
    expect(await blobs.fill('v', chunks('abc', 'def'), 6)).toBe(6)
    expect(await blobs.finish('v', await sha256(bytes('else')))).toBe('hash_mismatch')
    expect(await blobs.fill('w', chunks('abc', 'def'), 5)).toBe('too_large')
    expect(await uploads()).toEqual([])
    expect(await blobs.has(await sha256(bytes('else')))).toBe(false)
  })

  test('an upload that nobody goes on with is swept away, a fresh one stays', async () => {
    await blobs.append('old', 0, bytes('x'))
    if (kind === 'a directory') {
      await utimes(join(folder, 'files', 'uploads', 'old'), 1_000, 1_000)
      await blobs.append('fresh', 0, bytes('x'))
    }
    await blobs.sweep(instant(2_000_000))
    expect(await uploads()).toEqual([kind === 'a directory' ? 'fresh' : 'old'])
    await blobs.sweep(instant(1e14)) // the storage's clock is its own
    expect(await uploads()).toEqual([])
  })

  test('an upload that breaks off is no file, and begins anew', async () => {
    async function* broken() {
      yield bytes('half')
      throw new Error('hung up')
    }
    await expect(blobs.fill('x', broken(), 100)).rejects.toThrow('hung up')
    expect(await blobs.fill('x', chunks('whole'), 100)).toBe(5)
    expect(await blobs.finish('x', await sha256(bytes('whole')))).toBe('stored')
  })

  test('what was sent in pieces before counts no more once all of it is sent at one go', async () => {
    await blobs.append('y', 0, bytes('pieces'))
    expect(await blobs.fill('y', chunks('all of it'), 100)).toBe(9)
    expect(await blobs.finish('y', await sha256(bytes('all of it')))).toBe('stored')
  })
})
