// A counter-based generator: every number is a hash of where it stands, so that draw 70,000 needs no draw before it and
// a sequence is the same on every machine and after every restart. The mixer is Wellons' lowbias32
// (https://nullprogram.com/blog/2018/07/31/): a bijection of 32-bit words with an avalanche bias of 0.17.

/** A float in [0, 1) with 53 random bits, the same for ever for the same three unsigned 32-bit numbers. */
export function uniform(seed: number, draw: number, dimension: number): number {
  const at = mix(mix(mix(seed) ^ draw) ^ dimension)
  const high = mix(at ^ 0x5bd1e995) >>> 5 // 27 bits
  const low = mix(at ^ 0x27d4eb2f) >>> 6 // 26 bits
  return (high * 2 ** 26 + low) / 2 ** 53
}

/** The largest set that `permute` shuffles. */
export const PERMUTE_MAX = 2 ** 30

/**
 * Where `index` of 0…size−1 goes in a shuffle that depends on `seed` alone: a bijection, so that sampling without
 * replacement needs no memory. A four-round Feistel network over the next even number of bits, walked along its cycle
 * until it falls below `size` (fewer than four steps in the mean).
 */
export function permute(seed: number, index: number, size: number): number {
  const half = Math.max(1, Math.ceil(Math.ceil(Math.log2(size)) / 2)) // bits
  const mask = 2 ** half - 1
  let at = index
  do {
    let left = at >>> half
    let right = at & mask
    for (let round = 0; round < 4; round++) {
      const next = left ^ (mix(mix(mix(seed) ^ round) ^ right) & mask)
      left = right
      right = next
    }
    at = (left << half) | right
  } while (at >= size)
  return at
}

/** Wellons' lowbias32: a bijection of 32-bit words. */
export function mix(word: number): number {
  let x = word >>> 0
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  x ^= x >>> 16
  return x >>> 0
}
