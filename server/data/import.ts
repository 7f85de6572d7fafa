import { canonicalJson, sha256, sha256Text } from '#protocol/canonical.ts'
import {
  DatasetBody,
  DatasetManifest,
  type DatasetSplit,
  NO_DATA,
  SplitName,
  type TextBaselines,
} from '#protocol/dataset.ts'
import type { Sha256 } from '#protocol/units.ts'
import { compressorBits } from './compressor.ts'
import { type NamedBytes, readLabelledImages } from './idx.ts'
import { splitImages } from './images.ts'
import { drawMarkov, MARKOV_TRANSFORM } from './markov.ts'
import { bitsPerByte, trainNgrams } from './ngram.ts'
import { drawShapes, SHAPES_LICENCE, SHAPES_SOURCE } from './shapes.ts'
import {
  readSotu,
  readSotuSmall,
  readSotuTiny,
  SOTU_LICENCE,
  SOTU_SMALL_TRANSFORM,
  SOTU_SOURCE,
  SOTU_TINY_TRANSFORM,
  SOTU_TRANSFORM,
} from './sotu.ts'
import type { SplitBytes } from './splits.ts'

/** A data set ready to be stored: its manifest, and the bytes of its splits by hash. */
export interface ImportedDataset {
  readonly manifest: DatasetManifest
  readonly files: ReadonlyMap<Sha256, Uint8Array>
  /** A text like val that nobody outside may have. */
  readonly hidden?: Uint8Array
  /** A metric of val below it is none that was computed as asked; not known of most. */
  readonly floor?: number
  /** Bits per byte of val by a compressor that knows train; of texts. Not in the manifest: another version of it may do better. */
  readonly compressor?: number
}

/** What a data set is called and where it is from. */
type Facts = Pick<DatasetBody, 'name' | 'version' | 'source' | 'licence'>

/** What was made of the source. */
interface Content {
  readonly bytes: Partial<SplitBytes>
  readonly transform: string
  readonly baselines: DatasetBody['baselines']
  readonly compressor?: number
}

interface Definition {
  readonly facts: Facts
  /** What the splits must be: a source that was edited on the way is not this version of the set. */
  readonly pinned: Partial<Readonly<Record<SplitName, string>>>
  read(): Promise<Content>
}

const SOTU_TEST = '79067e1e6fabcbfc2a04b885d8cc21e7d57da5ccc11e50c2602485b7e65fe736'
const SOTU_FACTS = { source: SOTU_SOURCE, licence: SOTU_LICENCE } as const

const DEFINITIONS = {
  'sotu@1': {
    facts: { name: 'sotu', version: 1, ...SOTU_FACTS },
    pinned: {
      train: '9758e664dc1c90818e4b991ea24676e9e7352239966e212f0d04c1aa990a486f',
      val: 'b81e36e532a3296edb67f0d206ae169032a2718cc9103c1f80e68305954d3b88',
      test: SOTU_TEST,
    },
    read: async () => textContent(await readSotu(), SOTU_TRANSFORM),
  },
  'sotu-small@1': {
    facts: { name: 'sotu-small', version: 1, ...SOTU_FACTS },
    pinned: {
      train: '012533a1da9c4d1aa6e9490b27bacb770e470615f987cf016e6cc04bbb4f164a',
      val: 'db147dc2358ed16da7ab37fb96f585b5ab9bcf8bfd6a342dba45c00f1fef53ba',
      test: SOTU_TEST,
    },
    read: async () => textContent(await readSotuSmall(), SOTU_SMALL_TRANSFORM),
  },
  'sotu-tiny@1': {
    facts: { name: 'sotu-tiny', version: 1, ...SOTU_FACTS },
    pinned: {
      train: '012533a1da9c4d1aa6e9490b27bacb770e470615f987cf016e6cc04bbb4f164a',
      val: 'a7a394b696b60fdc6f9847e50f635c839e025b5ba1bbb9745d329bb5446bc4ca',
      test: SOTU_TEST,
    },
    read: async () => textContent(await readSotuTiny(), SOTU_TINY_TRANSFORM),
  },
  'shapes@1': {
    facts: { name: 'shapes', version: 1, source: SHAPES_SOURCE, licence: SHAPES_LICENCE },
    pinned: {
      train: '0cf00f68ddb3fbaf8366de19d34b7c1265504c0d853432196c62ede0e0181409',
      val: '848291d9480dae62bd8151126d1a5802c085e3541695a9b31f0a74abb64e2bbc',
      test: '6800aa28422071426e46037f47ac32b160d8b3aa1c2168a42a23111fbb4f62c3',
    },
    read: async () => drawShapes(),
  },
  [NO_DATA]: {
    facts: { name: 'none', version: 0, source: { package: 'none', version: '0' }, licence: 'none' },
    pinned: {},
    read: async () => ({ bytes: {}, transform: 'No files: for kernels that read none.', baselines: null }),
  },
} as const satisfies Record<string, Definition>

export type DatasetName = keyof typeof DEFINITIONS

/** Every data set this program can make, the smallest first. */
export const DATASET_NAMES: readonly DatasetName[] = [
  NO_DATA,
  'sotu-tiny@1',
  'sotu-small@1',
  'shapes@1',
  'sotu@1',
]

/** Whether this program can import a data set of this name and version. */
export const isDatasetName = (name: string): name is DatasetName => Object.hasOwn(DEFINITIONS, name)

/** The source package has other bytes than this version of the data set was made of. */
export class DatasetSourceError extends Error {
  readonly code = 'dataset_source_changed'
  readonly hint = 'Install the dependencies afresh (npm ci); the text must not be edited or re-encoded.'
}

/**
 * Makes a data set from what comes with this program, checks every byte by hash and computes its baselines.
 * Deterministic. Takes a fraction of a second, but for sotu@1 some seconds of computing: do it once and store the outcome.
 */
export async function importDataset(name: DatasetName): Promise<ImportedDataset> {
  const { facts, pinned, read }: Definition = DEFINITIONS[name]
  const imported = await seal(facts, await read())
  assertPinned(name, imported.manifest.splits, pinned)
  return imported
}

/** The name of the data set that each server draws for itself. */
export const MARKOV_NAME = 'markov@1'

/** Draws it under the server's secret, with the bits per byte of val that no honest model reaches. */
export async function importMarkov(secret: string): Promise<ImportedDataset & { readonly floor: number }> {
  const { bytes, hidden, floor } = drawMarkov(secret)
  const source = { package: 'none', version: '0' }
  const facts = { name: 'markov', version: 1, source, licence: 'CC0-1.0' }
  return { ...(await seal(facts, await textContent(bytes, MARKOV_TRANSFORM))), hidden, floor }
}

/** Files of images and their labels, in the format IDX, gzipped or not. */
export interface IdxFiles {
  readonly train: readonly [images: NamedBytes, labels: NamedBytes]
  readonly test: readonly [images: NamedBytes, labels: NamedBytes]
  /** How many of the training images become the validation split. */
  readonly val: number
}

/** Makes a data set of IDX files. Deterministic. @throws IdxError when they are no such files */
export async function importIdx(facts: Facts, { train, test, val }: IdxFiles): Promise<ImportedDataset> {
  return seal(facts, splitImages(readLabelledImages(...train), readLabelledImages(...test), val))
}

const textContent = async (bytes: SplitBytes, transform: string): Promise<Content> => ({
  bytes,
  transform,
  baselines: baselinesOf(bytes.train, bytes.val),
  compressor: await compressorBits(bytes.train, bytes.val),
})

async function seal(
  facts: Facts,
  { bytes, transform, baselines, ...more }: Content,
): Promise<ImportedDataset> {
  const splits: DatasetSplit[] = []
  const files = new Map<Sha256, Uint8Array>()
  for (const name of SplitName.options) {
    const content = bytes[name]
    if (content === undefined) continue
    const split = await describe(name, content)
    splits.push(split)
    files.set(split.sha256, content)
  }
  const { name, version, source, licence } = facts
  const manifest = await sealManifest({ name, version, source, licence, transform, splits, baselines })
  return { manifest, files, ...more }
}

/** Throws `DatasetSourceError` unless each split has the SHA-256 that this version of the data set was made with. */
export function assertPinned(
  name: string,
  splits: readonly DatasetSplit[],
  pinned: Partial<Readonly<Record<SplitName, string>>>,
): void {
  for (const split of splits) {
    if (split.sha256 === pinned[split.name]) continue
    throw new DatasetSourceError(`${name}: the split ${split.name} has SHA-256 ${split.sha256}`)
  }
}

/** Completes a manifest with its own hash. */
export async function sealManifest(body: DatasetBody): Promise<DatasetManifest> {
  const checked = DatasetBody.parse(body)
  return DatasetManifest.parse({ ...checked, sha256: await sha256Text(canonicalJson(checked)) })
}

/** Bits per byte of `val` after counting `train`, to six decimals: every language model here must beat these rows. */
export function baselinesOf(train: Uint8Array, val: Uint8Array): TextBaselines {
  const [unigram = 0, one = 0, two = 0, three = 0, four = 0, five = 0] = bitsPerByte(
    trainNgrams(train, ORDER_MAX),
    val,
  ).map(roundBits)
  return { unigram, wittenBell: [one, two, three, four, five] }
}

const ORDER_MAX = 5
const roundBits = (bits: number): number => Math.round(bits * 1e6) / 1e6

async function describe(name: SplitName, bytes: Uint8Array): Promise<DatasetSplit> {
  return { name, bytes: bytes.length, sha256: await sha256(bytes) }
}
