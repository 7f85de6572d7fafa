import { uniform } from '#search/random.ts'
import type { LabelledImages } from '#server/data/idx.ts'

interface Wish {
  readonly count: number
  readonly size: readonly [rows: number, columns: number]
  readonly classes: number
  readonly seed?: number
}

/** Images with something to learn in them: each class is brighter in a place of its own. The same for the same wish. */
export function sampleImages({ count, size: [rows, columns], classes, seed = 1 }: Wish): LabelledImages {
  const area = rows * columns
  const labels = Uint8Array.from({ length: count }, (_, i) =>
    i < classes ? i : Math.floor(uniform(seed, i, 0) * classes),
  )
  const pixels = Uint8Array.from({ length: count * area }, (_, i) => {
    const image = Math.floor(i / area)
    const isBright = (i % area) % classes === labels[image]
    return Math.floor(uniform(seed, image, 1 + (i % area)) * 128) + (isBright ? 127 : 0)
  })
  return { rows, columns, labels, pixels }
}
