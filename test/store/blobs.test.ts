import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '#protocol/canonical.ts'
import { instant } from '#protocol/units.ts'
import { type Blobs, openBlobs } from '#store/blobs.ts'

let root: string
let blobs: Blobs
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'xeenet-blobs-'))
  blobs = await openBlobs(root)
})
afterAll(() => rm(root, { recursive: true, force: true }))

const bytes = (text: string) => new TextEncoder().encode(text)
const uploads = () => readdir(join(root, 'uploads'))
async function* chunks(...texts: string[]) {
  for (const text of texts) yield bytes(text)
}

describe('files by hash', () => {
  test('what is stored twice, or by several at once, is stored once', async () => {
    const hashes = await Promise.all([1, 2, 3].map(() => blobs.put(bytes('hello'))))
    const hash = await sha256(bytes('hello'))
    expect(new Set(hashes)).toEqual(new Set([hash]))
    expect(await blobs.has(hash)).toBe(true)
    expect(await readFile(join(root, blobs.nameOf(hash)), 'utf8')).toBe('hello')
    expect(await uploads()).toEqual([])
  })

  test('an upload grows at its end only, survives a restart, and becomes the file of its hash', async () => {
    const hash = await sha256(bytes('one two'))
    expect(await blobs.append('u', 0, bytes('one '))).toBe('appended')
    expect(await blobs.append('u', 3, bytes('x'))).toBe('gap')
    const again = await openBlobs(root)
    expect(await again.received('u')).toBe(4)
    expect(await again.append('u', 4, bytes('two'))).toBe('appended')
    expect(await again.finish('u', hash)).toBe('stored')
    expect(await again.has(hash)).toBe(true)
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
    await utimes(join(root, 'uploads', 'old'), 1_000, 1_000)
    await blobs.append('fresh', 0, bytes('x'))
    await blobs.sweep(instant(2_000_000))
    expect(await uploads()).toEqual(['fresh'])
    await blobs.discard('fresh')
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
})
