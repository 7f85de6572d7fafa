import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { encodeSplit, IdxError, IMAGE_BYTES_MAX, readLabelledImages } from '#server/data/idx.ts'
import { importIdx } from '#server/data/import.ts'
import { sampleImages } from '../assembly/sample-images.ts'

const images = sampleImages({ count: 12, size: [5, 6], classes: 3 })
const whole = Buffer.from(encodeSplit(images))
/** The two files that a split is made of. */
const LABELS = whole.subarray(0, 8 + 12)
const IMAGES = whole.subarray(8 + 12)

const read = (pixels: Uint8Array, labels: Uint8Array) =>
  readLabelledImages({ name: 'images.gz', bytes: pixels }, { name: 'labels.gz', bytes: labels })

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'none'
  } catch (error) {
    if (!(error instanceof IdxError)) throw error
    expect(error.hint).not.toBe('')
    expect(error.message).toMatch(/images\.gz|labels\.gz|images/)
    return error.code
  }
}

describe('an IDX file', () => {
  test('is read as it stands or gzipped', () => {
    expect(read(IMAGES, LABELS)).toEqual(images)
    expect(read(gzipSync(IMAGES), gzipSync(LABELS))).toEqual(images)
  })

  const with32 = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
    const copy = Buffer.from(bytes)
    copy.writeUInt32BE(value, at)
    return copy
  }
  const ZIP = gzipSync(IMAGES)

  test.each<[string, string, Uint8Array, Uint8Array]>([
    ['nothing', 'idx_magic', new Uint8Array(0), LABELS],
    ['text', 'idx_magic', Buffer.from('hello, world'), LABELS],
    ['exchanged files', 'idx_magic', LABELS, IMAGES],
    ['elements of another type', 'idx_magic', with32(IMAGES, 0, 0x00000d03), LABELS],
    ['another number of dimensions', 'idx_magic', with32(IMAGES, 0, 0x00000802), LABELS],
    ['an end in the header', 'idx_length', IMAGES.subarray(0, 10), LABELS],
    ['a last byte too few', 'idx_length', IMAGES.subarray(0, IMAGES.length - 1), LABELS],
    ['a byte too many', 'idx_length', Buffer.concat([IMAGES, Buffer.of(0)]), LABELS],
    ['a larger count', 'idx_length', with32(IMAGES, 4, 13), LABELS],
    ['a count beyond all files', 'idx_length', with32(IMAGES, 4, 0xffffffff), LABELS],
    ['no images', 'idx_length', with32(IMAGES, 4, 0).subarray(0, 16), LABELS],
    ['labels that are cut', 'idx_length', IMAGES, LABELS.subarray(0, 15)],
    ['images of 3 pixels', 'idx_oversize', encodeImages([3, 6]), LABELS],
    ['images of 33 pixels', 'idx_oversize', encodeImages([5, 33]), LABELS],
    ['too many bytes', 'idx_oversize', Buffer.alloc(IMAGE_BYTES_MAX + 1), LABELS],
    ['too many bytes once inflated', 'idx_oversize', gzipSync(Buffer.alloc(IMAGE_BYTES_MAX + 9)), LABELS],
    ['a gzip that is cut', 'idx_gzip', ZIP.subarray(0, ZIP.length - 20), LABELS],
    ['a gzip with a wrong byte', 'idx_gzip', Buffer.from(ZIP).fill(0x55, 20, 40), LABELS],
    ['fewer labels than images', 'idx_counts_differ', IMAGES, with32(LABELS.subarray(0, 19), 4, 11)],
    ['a label of 64', 'idx_label_range', IMAGES, Uint8Array.from(LABELS).fill(64, 9, 10)],
  ])('with %s is refused as %s', (_, code, pixels, labels) => {
    expect(codeOf(() => read(pixels, labels))).toBe(code)
  })
})

function encodeImages(size: readonly [number, number]): Uint8Array {
  return encodeSplit(sampleImages({ count: 12, size, classes: 3 })).subarray(8 + 12)
}

describe('a data set of IDX files', () => {
  const facts = { name: 'tiny', version: 1, source: { package: 'p', version: '1' }, licence: 'CC0-1.0' }
  const part = (count: number, changes: Partial<Parameters<typeof sampleImages>[0]> = {}) => {
    const bytes = Buffer.from(encodeSplit(sampleImages({ count, size: [5, 6], classes: 3, ...changes })))
    return [
      { name: 'images', bytes: bytes.subarray(8 + count) },
      { name: 'labels', bytes: bytes.subarray(0, 8 + count) },
    ] as const
  }

  test('keeps every image once: val evenly spaced among train, test as it is', async () => {
    const { manifest, files } = await importIdx(facts, {
      train: part(40),
      test: part(9, { seed: 3 }),
      val: 8,
    })
    const all = sampleImages({ count: 40, size: [5, 6], classes: 3 })
    const [train, val, held] = manifest.splits.map(split => Buffer.from(files.get(split.sha256)!))
    expect([train!, val!, held!].map(bytes => bytes.readUInt32BE(4))).toEqual([32, 8, 9])
    const pictures = [train!, val!].flatMap(bytes => {
      const count = bytes.readUInt32BE(4)
      const start = 8 + count + 16
      return Array.from({ length: count }, (_, i) =>
        bytes.toString('hex', start + 30 * i, start + 30 * i + 30),
      )
    })
    const expected = Array.from(all.labels.keys(), i =>
      Buffer.from(all.pixels.subarray(30 * i, 30 * i + 30)).toString('hex'),
    )
    expect(pictures.toSorted()).toEqual(expected.toSorted())
    expect([...val!.subarray(8, 16)]).toEqual([2, 7, 12, 17, 22, 27, 32, 37].map(i => all.labels[i]))
    expect(manifest.baselines).toEqual({ frequencies: expect.any(Number) })
    expect(manifest).toEqual(
      (await importIdx(facts, { train: part(40), test: part(9, { seed: 3 }), val: 8 })).manifest,
    )
  })

  test.each([
    ['other sizes in test', 'idx_sizes_differ', { test: part(9, { size: [6, 6] }) }],
    ['a class that train lacks', 'idx_label_range', { test: part(9, { classes: 4 }) }],
    ['more validation images than half', 'idx_too_few', { val: 21 }],
    ['no validation images', 'idx_too_few', { val: 0 }],
  ])('with %s is refused as %s', async (_, code, changes) => {
    await expect(
      importIdx(facts, { train: part(40), test: part(9), val: 8, ...changes }),
    ).rejects.toMatchObject({
      code,
    })
  })
})
