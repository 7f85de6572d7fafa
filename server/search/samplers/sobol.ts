import { invariant } from '#domain/invariant.ts'
import { vector } from '../linear.ts'
import { mix } from '../random.ts'

// Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections" (2008), their set D6: degree and
// coefficients of the primitive polynomial, initial direction numbers; dimensions 2 to 32.
const DIRECTIONS: readonly (readonly [degree: number, coefficients: number, ...initial: number[]])[] = [
  [1, 0, 1],
  [2, 1, 1, 3],
  [3, 1, 1, 3, 1],
  [3, 2, 1, 1, 1],
  [4, 1, 1, 1, 3, 3],
  [4, 4, 1, 3, 5, 13],
  [5, 2, 1, 1, 5, 5, 17],
  [5, 4, 1, 1, 5, 5, 5],
  [5, 7, 1, 1, 7, 11, 19],
  [5, 11, 1, 1, 5, 1, 1],
  [5, 13, 1, 1, 1, 3, 11],
  [5, 14, 1, 3, 5, 5, 31],
  [6, 1, 1, 3, 3, 9, 7, 49],
  [6, 13, 1, 1, 1, 15, 21, 21],
  [6, 16, 1, 3, 1, 13, 27, 49],
  [6, 19, 1, 1, 1, 15, 7, 5],
  [6, 22, 1, 3, 1, 15, 13, 25],
  [6, 25, 1, 1, 5, 5, 19, 61],
  [7, 1, 1, 3, 7, 11, 23, 15, 103],
  [7, 4, 1, 3, 7, 13, 13, 15, 69],
  [7, 7, 1, 1, 3, 13, 7, 35, 63],
  [7, 8, 1, 3, 5, 9, 1, 25, 53],
  [7, 14, 1, 3, 1, 13, 9, 35, 107],
  [7, 19, 1, 3, 1, 5, 27, 61, 31],
  [7, 21, 1, 1, 5, 11, 19, 41, 61],
  [7, 28, 1, 3, 5, 3, 3, 13, 69],
  [7, 31, 1, 1, 7, 13, 1, 19, 1],
  [7, 32, 1, 3, 7, 5, 13, 19, 59],
  [7, 37, 1, 1, 3, 9, 25, 29, 41],
  [7, 41, 1, 3, 5, 13, 23, 1, 55],
  [7, 42, 1, 3, 7, 3, 13, 59, 17],
]

const BITS = 32

/** Direction numbers of each dimension, the highest bit first: dimension 1 is van der Corput's sequence. */
const VECTORS: readonly Uint32Array[] = [
  Uint32Array.from({ length: BITS }, (_, i) => 2 ** (BITS - 1 - i)),
  ...DIRECTIONS.map(([degree, coefficients, ...initial]) => vectors(degree, coefficients, initial)),
]

function vectors(degree: number, coefficients: number, initial: readonly number[]): Uint32Array {
  const v = new Uint32Array(BITS)
  for (let i = 0; i < BITS; i++) {
    if (i < degree) {
      v[i] = (initial[i] ?? 0) << (BITS - 1 - i)
      continue
    }
    const before = v[i - degree] ?? 0
    let next = before ^ (before >>> degree)
    for (let k = 1; k < degree; k++) if ((coefficients >>> (degree - 1 - k)) & 1) next ^= v[i - k] ?? 0
    v[i] = next
  }
  return v
}

/**
 * Point `index` of the scrambled Sobol sequence of a seed, in [0, 1)^dimensions (at most 32). The scrambling is Owen's
 * nested uniform one as a hash of the leading bits (Laine and Karras 2011; Burley, "Practical hash-based Owen
 * scrambling", 2020), so that any point is found without those before it.
 */
export function sobolPoint(seed: number, index: number, dimensions: number): Float64Array {
  invariant(dimensions <= VECTORS.length, `Sobol points have at most ${VECTORS.length} dimensions`)
  return vector(dimensions, dimension => {
    let bits = 0
    for (let rest = index, i = 0; rest > 0; rest = Math.floor(rest / 2), i++)
      if (rest % 2 === 1) bits ^= VECTORS[dimension]?.[i] ?? 0
    return scrambled(bits, mix(mix(seed) ^ dimension)) / 2 ** BITS
  })
}

function scrambled(bits: number, seed: number): number {
  let x = reversed(bits)
  x = (x + seed) | 0
  x ^= Math.imul(x, 0x6c50b47c)
  x ^= Math.imul(x, 0xb82f1e52)
  x ^= Math.imul(x, 0xc7afe638)
  x ^= Math.imul(x, 0x8d22f6e6)
  return reversed(x)
}

function reversed(bits: number): number {
  let x = bits
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1)
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2)
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4)
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8)
  return ((x >>> 16) | (x << 16)) >>> 0
}
