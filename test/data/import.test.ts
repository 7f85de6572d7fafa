import { expect, test } from 'vitest'
import { canonicalJson, sha256, sha256Text } from '#protocol/canonical.ts'
import { DatasetManifest, splitOf } from '#protocol/dataset.ts'
import {
  assertPinned,
  DATASET_NAMES,
  type DatasetName,
  importDataset,
  isDatasetName,
  sealManifest,
} from '#server/data/import.ts'

// Each is imported once; the tests only read.
const IMPORTS = new Map(DATASET_NAMES.map(name => [name, importDataset(name)] as const))
const imported = (name: DatasetName) => IMPORTS.get(name)!

test('sotu-small@1 has these bytes and these baselines, for ever', async () => {
  const { manifest } = await imported('sotu-small@1')
  expect(manifest.splits).toEqual([
    {
      name: 'train',
      bytes: 262_144,
      sha256: '012533a1da9c4d1aa6e9490b27bacb770e470615f987cf016e6cc04bbb4f164a',
    },
    {
      name: 'val',
      bytes: 32_768,
      sha256: 'db147dc2358ed16da7ab37fb96f585b5ab9bcf8bfd6a342dba45c00f1fef53ba',
    },
    {
      name: 'test',
      bytes: 2_290_885,
      sha256: '79067e1e6fabcbfc2a04b885d8cc21e7d57da5ccc11e50c2602485b7e65fe736',
    },
  ])
  expect(manifest.baselines).toEqual({
    unigram: 4.437949,
    wittenBell: [3.606131, 3.047183, 2.637071, 2.538221, 2.628808],
  })
  expect(manifest.sha256).toBe('aca7eaa3b060b5c2649498a9b4220cd72f7d65c966894ce96ee30dad6873598c')
})

test('sotu@1 has these bytes and these baselines, for ever', async () => {
  const { manifest } = await imported('sotu@1')
  expect(manifest.splits).toEqual([
    {
      name: 'train',
      bytes: 8_208_384,
      sha256: '9758e664dc1c90818e4b991ea24676e9e7352239966e212f0d04c1aa990a486f',
    },
    {
      name: 'val',
      bytes: 262_144,
      sha256: 'b81e36e532a3296edb67f0d206ae169032a2718cc9103c1f80e68305954d3b88',
    },
    {
      name: 'test',
      bytes: 2_290_885,
      sha256: '79067e1e6fabcbfc2a04b885d8cc21e7d57da5ccc11e50c2602485b7e65fe736',
    },
  ])
  expect(manifest.baselines).toEqual({
    unigram: 4.418947,
    wittenBell: [3.556835, 2.955545, 2.414158, 2.157403, 2.119012],
  })
  expect(manifest.sha256).toBe('d073045df4f7ea5075a805edf84931ed951385dadd65083a9e52e8628be2633f')
})

test.each(DATASET_NAMES)('%s: the manifest names the files it comes with and its own hash', async name => {
  const { manifest, files } = await imported(name)
  expect(DatasetManifest.parse(manifest)).toEqual(manifest)
  for (const split of manifest.splits) {
    const bytes = files.get(split.sha256) ?? new Uint8Array()
    expect([bytes.length, await sha256(bytes)]).toEqual([split.bytes, split.sha256])
  }
  const { sha256: own, ...body } = manifest
  expect(own).toBe(await sha256Text(canonicalJson(body)))
  expect(`${manifest.name}@${manifest.version}`).toBe(name)
})

test('texts, and only texts, have what a compressor that knows train makes of val', async () => {
  for (const name of DATASET_NAMES) {
    const { manifest, compressor } = await imported(name)
    const { baselines } = manifest
    if (baselines === null || !('unigram' in baselines)) expect(compressor).toBeUndefined()
    else expect(compressor).toBeLessThan(baselines.unigram)
  }
  // Another version of zstd may differ a little.
  expect((await imported('sotu-small@1')).compressor).toBeCloseTo(2.573, 1)
})

test("sotu-tiny's validation text lies inside sotu-small's, and the rest is the same", async () => {
  const [tiny, small] = [await imported('sotu-tiny@1'), await imported('sotu-small@1')]
  for (const name of ['train', 'test'] as const)
    expect(splitOf(tiny.manifest, name)).toEqual(splitOf(small.manifest, name))
  const tinyVal = Buffer.from(tiny.files.get(splitOf(tiny.manifest, 'val').sha256) ?? [])
  const smallVal = Buffer.from(small.files.get(splitOf(small.manifest, 'val').sha256) ?? [])
  expect(tinyVal.length).toBe(4_096)
  for (let at = 0; at < tinyVal.length; at += 128)
    expect(smallVal.subarray(at * 8, at * 8 + 128).equals(tinyVal.subarray(at, at + 128))).toBe(true)
})

test("sotu-small's validation text lies inside sotu's, and both have the same test text", async () => {
  const [small, whole] = [await imported('sotu-small@1'), await imported('sotu@1')]
  expect(splitOf(small.manifest, 'test')).toEqual(splitOf(whole.manifest, 'test'))
  const smallVal = Buffer.from(small.files.get(splitOf(small.manifest, 'val').sha256) ?? [])
  const wholeVal = Buffer.from(whole.files.get(splitOf(whole.manifest, 'val').sha256) ?? [])
  for (let at = 0; at < smallVal.length; at += 1024) {
    expect(wholeVal.includes(smallVal.subarray(at, at + 1024))).toBe(true)
  }
})

test('only the data sets of this program have a name it knows', () => {
  expect([...DATASET_NAMES, 'sotu@2', 'toString'].filter(isDatasetName)).toEqual(DATASET_NAMES)
})

test('a source with other bytes is refused, naming the split', async () => {
  const { manifest } = await imported('sotu-small@1')
  const [train, val, rest] = manifest.splits.map(split => split.sha256)
  const pinned = { train: train!, val: val!, test: rest! }
  expect(() => assertPinned('sotu-small@1', manifest.splits, pinned)).not.toThrow()
  const edited = () => assertPinned('sotu-small@1', manifest.splits, { ...pinned, val: rest! })
  expect(edited).toThrow(expect.objectContaining({ code: 'dataset_source_changed' }))
  expect(edited).toThrow('the split val')
})

test('a split may not occur twice', async () => {
  const { manifest } = await imported('sotu-small@1')
  const { sha256: _, ...body } = manifest
  const [train] = manifest.splits
  await expect(sealManifest({ ...body, splits: [train!, train!] })).rejects.toThrow('a split occurs once')
  expect(() => splitOf({ ...body, splits: manifest.splits.slice(0, 2) }, 'test')).toThrow('has no split test')
})
