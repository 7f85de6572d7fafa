import type { ImageBaselines } from '#protocol/dataset.ts'
import { encodeSplit, IdxError, type LabelledImages } from './idx.ts'
import type { SplitBytes } from './splits.ts'

/** The splits of a data set of images, and what the manifest says of them beside their hashes. */
export interface ImageSplits {
  readonly bytes: SplitBytes
  readonly transform: string
  readonly baselines: ImageBaselines
}

/**
 * Cuts a data set: of N training images those numbered ⌊(2 i + 1) N / (2 val)⌋ are val, the others train, and the test
 * images test. @throws IdxError when the two parts do not fit each other
 */
export function splitImages(all: LabelledImages, test: LabelledImages, val: number): ImageSplits {
  const sizes = [all, test].map(({ rows, columns }) => `${rows} × ${columns}`)
  if (sizes[0] !== sizes[1])
    throw new IdxError('idx_sizes_differ', `training images are ${sizes[0]}, test images ${sizes[1]}`)
  const count = all.labels.length
  if (val < 1 || val * 2 > count) throw new IdxError('idx_too_few', `${val} of ${count} training images`)
  const chosen = new Set(Array.from({ length: val }, (_, i) => Math.floor(((2 * i + 1) * count) / (2 * val))))
  const train = pick(all, index => !chosen.has(index))
  const held = pick(all, index => chosen.has(index))
  for (const part of [held, test]) assertClasses(train, part)
  return {
    bytes: { train: encodeSplit(train), val: encodeSplit(held), test: encodeSplit(test) },
    transform:
      `Of the ${count} training images the ones numbered floor((2 i + 1) ${count} / ${2 * val}), ${val} in number, are val, the ` +
      'others train; the test images are test. A split is the IDX file of its labels and, behind it, that of their images.',
    baselines: { frequencies: frequencyBits(train, held) },
  }
}

function pick(
  { rows, columns, pixels, labels }: LabelledImages,
  isWanted: (index: number) => boolean,
): LabelledImages {
  const size = rows * columns
  const indices = Uint32Array.from(labels.keys()).filter(isWanted)
  const chosen = new Uint8Array(indices.length * size)
  indices.forEach((index, place) => {
    chosen.set(pixels.subarray(index * size, (index + 1) * size), place * size)
  })
  return { rows, columns, labels: Uint8Array.from(indices, index => labels[index] ?? 0), pixels: chosen }
}

function assertClasses(train: LabelledImages, part: LabelledImages): void {
  const known = new Set(train.labels)
  const strange = part.labels.find(label => !known.has(label))
  if (strange !== undefined)
    throw new IdxError('idx_label_range', `no training image has the label ${strange}`)
}

/** Bits per label of val by the class frequencies of train: what a model reaches that looks at no image. */
function frequencyBits(train: LabelledImages, val: LabelledImages): number {
  const counts = new Map<number, number>()
  for (const label of train.labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  const bitsOf = (label: number): number => -Math.log2((counts.get(label) ?? 0) / train.labels.length)
  const bits = val.labels.reduce((sum, label) => sum + bitsOf(label), 0)
  return Math.round((bits / val.labels.length) * 1e6) / 1e6
}
