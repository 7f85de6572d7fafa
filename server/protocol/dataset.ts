import { z } from 'zod'
import { Sha256 } from './units.ts'

export const SplitName = z.enum(['train', 'val', 'test'])
export type SplitName = z.infer<typeof SplitName>

/** One file of a data set: raw bytes, fetched and cached by hash. */
export const DatasetSplit = z.strictObject({ name: SplitName, bytes: z.int().positive(), sha256: Sha256 })
export type DatasetSplit = z.infer<typeof DatasetSplit>

/** Bits per byte of the split `val` for models that only count bytes of `train`. */
export const TextBaselines = z.strictObject({
  unigram: z.number().positive(),
  /** Witten-Bell interpolation over the last 1, 2, 3, 4 and 5 bytes, in this order. */
  wittenBell: z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]),
})
export type TextBaselines = z.infer<typeof TextBaselines>

/** Bits per label of the split `val` for models that look at no image. */
export const ImageBaselines = z.strictObject({
  /** By the frequencies of the classes in train. */
  frequencies: z.number().min(0),
})
export type ImageBaselines = z.infer<typeof ImageBaselines>

/** The data set of kernels that read none: no files. */
export const NO_DATA = 'none@0'

/** What a data set is, without its own hash. */
export const DatasetBody = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  version: z.int().min(0).max(999_999),
  source: z.strictObject({ package: z.string().max(214), version: z.string().max(60) }),
  licence: z.string().max(300),
  /** One sentence: how the splits were made from the source. */
  transform: z.string().max(1_000),
  splits: z
    .array(DatasetSplit)
    .max(3)
    .refine(splits => new Set(splits.map(split => split.name)).size === splits.length, 'a split occurs once'),
  /** Null where nobody knows any: a leaderboard then shows the experiments alone. */
  baselines: z.union([TextBaselines, ImageBaselines]).nullable(),
})
export type DatasetBody = z.infer<typeof DatasetBody>

/** A data set as stored and served. `sha256` is that of the RFC 8785 text of all the other fields. */
export const DatasetManifest = z.strictObject({ ...DatasetBody.shape, sha256: Sha256 })
export type DatasetManifest = z.infer<typeof DatasetManifest>

/** The split of that name; throws when the data set has none. */
export function splitOf(manifest: DatasetBody, name: SplitName): DatasetSplit {
  const split = manifest.splits.find(candidate => candidate.name === name)
  if (split === undefined) throw new Error(`${manifest.name}@${manifest.version} has no split ${name}`)
  return split
}

/** The metric that a data set's baselines are figures of: bits per byte of text, or per label of images. */
export function baselineMetric({ baselines }: DatasetBody): 'val_bpb' | 'val_bits' | undefined {
  if (baselines === null) return undefined
  return 'unigram' in baselines ? 'val_bpb' : 'val_bits'
}
