import { canonicalJson, sha256, sha256Text } from '#protocol/canonical.ts'
import {
  type DatasetBaselines,
  DatasetBody,
  DatasetManifest,
  type DatasetSplit,
  type SplitName,
} from '#protocol/dataset.ts'
import type { Sha256 } from '#protocol/units.ts'
import { bitsPerByte, trainNgrams } from './ngram.ts'
import {
  readSotu,
  readSotuSmall,
  SOTU_LICENCE,
  SOTU_SMALL_TRANSFORM,
  SOTU_SOURCE,
  SOTU_TRANSFORM,
  type SplitBytes,
} from './sotu.ts'

/** A data set ready to be stored: its manifest, and the bytes of its splits by hash. */
export interface ImportedDataset {
  readonly manifest: DatasetManifest
  readonly files: ReadonlyMap<Sha256, Uint8Array>
}

interface Definition {
  readonly name: string
  readonly version: number
  readonly transform: string
  /** What the splits must be: a source that was edited on the way is not this version of the set. */
  readonly pinned: Readonly<Record<SplitName, string>>
  read(): Promise<SplitBytes>
}

const SOTU_TEST = '79067e1e6fabcbfc2a04b885d8cc21e7d57da5ccc11e50c2602485b7e65fe736'

const DEFINITIONS = {
  'sotu@1': {
    name: 'sotu',
    version: 1,
    transform: SOTU_TRANSFORM,
    pinned: {
      train: '9758e664dc1c90818e4b991ea24676e9e7352239966e212f0d04c1aa990a486f',
      val: 'b81e36e532a3296edb67f0d206ae169032a2718cc9103c1f80e68305954d3b88',
      test: SOTU_TEST,
    },
    read: readSotu,
  },
  'sotu-small@1': {
    name: 'sotu-small',
    version: 1,
    transform: SOTU_SMALL_TRANSFORM,
    pinned: {
      train: '012533a1da9c4d1aa6e9490b27bacb770e470615f987cf016e6cc04bbb4f164a',
      val: 'db147dc2358ed16da7ab37fb96f585b5ab9bcf8bfd6a342dba45c00f1fef53ba',
      test: SOTU_TEST,
    },
    read: readSotuSmall,
  },
} as const satisfies Record<string, Definition>

export type DatasetName = keyof typeof DEFINITIONS

/** Every data set this program can import, the smallest first. */
export const DATASET_NAMES: readonly DatasetName[] = ['sotu-small@1', 'sotu@1']

/** Whether this program can import a data set of this name and version. */
export const isDatasetName = (name: string): name is DatasetName => Object.hasOwn(DEFINITIONS, name)

/** The source package has other bytes than this version of the data set was made of. */
export class DatasetSourceError extends Error {
  readonly code = 'dataset_source_changed'
  readonly hint = 'Install the dependencies afresh (npm ci); the text must not be edited or re-encoded.'
}

/**
 * Reads a data set from its npm package, checks every byte by hash and computes its baselines. Deterministic. Takes a
 * fraction of a second for sotu-small@1 and some seconds of computing for sotu@1: do it once and store the outcome.
 */
export async function importDataset(name: DatasetName): Promise<ImportedDataset> {
  const definition: Definition = DEFINITIONS[name]
  const bytes = await definition.read()
  const splits = [
    await describe('train', bytes.train),
    await describe('val', bytes.val),
    await describe('test', bytes.test),
  ]
  assertPinned(name, splits, definition.pinned)
  const manifest = await sealManifest({
    name: definition.name,
    version: definition.version,
    source: SOTU_SOURCE,
    licence: SOTU_LICENCE,
    transform: definition.transform,
    splits,
    baselines: baselinesOf(bytes.train, bytes.val),
  })
  return { manifest, files: new Map(splits.map(split => [split.sha256, bytes[split.name]])) }
}

/** Throws `DatasetSourceError` unless each split has the SHA-256 that this version of the data set was made with. */
export function assertPinned(
  name: string,
  splits: readonly DatasetSplit[],
  pinned: Readonly<Record<SplitName, string>>,
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
export function baselinesOf(train: Uint8Array, val: Uint8Array): DatasetBaselines {
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
