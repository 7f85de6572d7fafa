import { z } from 'zod'
import { FINGERPRINT_BLOCKS_MAX, FINGERPRINT_PROJECTIONS } from './limits.ts'

/** One stretch of the trained parameters: its Euclidean norm, and its sums under random signs. */
const Block = z.strictObject({
  norm: z.number().min(0),
  projections: z.array(z.number()).length(FINGERPRINT_PROJECTIONS),
})

/**
 * What is told of trained weights so that two runs can be compared without them: the parameters of the artifact, as they lie
 * there, cut into equal blocks. The square of the difference of two runs' projections is, in the mean over the signs, that of the
 * distance of their weights (Johnson and Lindenstrauss; random signs after Achlioptas 2003).
 */
export const Fingerprint = z.array(Block).min(1).max(FINGERPRINT_BLOCKS_MAX)
export type Fingerprint = z.infer<typeof Fingerprint>

// The header of every artifact has the number of its parameters in word 2 (assembly/lib/artifact.ts); they are its end.
const PARAMETERS_AT = 8
const HEADER_BYTES = 64

/**
 * The fingerprint of an artifact: f64 sums over its f32 parameters in order, so that equal bytes give equal numbers in every
 * language; signs are drawn from the run's seed and the parameter's place. Costs some ten operations a parameter. Undefined for bytes that are no artifact, or
 * that hold a number which is not finite.
 */
export function fingerprintOf(artifact: Uint8Array, seed: number): Fingerprint | undefined {
  if (artifact.length < HEADER_BYTES) return undefined
  const view = new DataView(artifact.buffer, artifact.byteOffset, artifact.byteLength)
  const count = view.getUint32(PARAMETERS_AT, true)
  const from = artifact.length - 4 * count
  if (count === 0 || from < HEADER_BYTES) return undefined
  const size = Math.ceil(count / Math.min(count, FINGERPRINT_BLOCKS_MAX))
  const blocks: Fingerprint = []
  for (let first = 0; first < count; first += size) {
    const block = blockOf(view, { from, first, end: Math.min(count, first + size), seed })
    if (block === undefined) return undefined
    blocks.push(block)
  }
  return blocks
}

interface Stretch {
  readonly from: number // bytes before the first parameter
  readonly first: number
  readonly end: number
  readonly seed: number
}

function blockOf(view: DataView, { from, first, end, seed }: Stretch): Fingerprint[number] | undefined {
  const projections = new Array<number>(FINGERPRINT_PROJECTIONS).fill(0)
  let squares = 0
  for (let i = first; i < end; i++) {
    const value = view.getFloat32(from + 4 * i, true)
    const signs = mixed(seed, i)
    squares += value * value
    for (let k = 0; k < FINGERPRINT_PROJECTIONS; k++)
      projections[k] = (projections[k] ?? 0) + ((signs >>> (8 * k)) & 1 ? value : -value)
  }
  const norm = Math.sqrt(squares)
  return Number.isFinite(norm) ? { norm, projections } : undefined
}

/** 32 bits of a seed of 48 bits and a place: the finaliser of MurmurHash3 over each part in turn. */
function mixed(seed: number, place: number): number {
  const low = finalised(seed >>> 0)
  const high = finalised(low ^ Math.floor(seed / 2 ** 32))
  return finalised(high ^ place)
}

function finalised(word: number): number {
  let h = word | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
