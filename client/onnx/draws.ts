/**
 * The random numbers of a kernel's batches: SplitMix64 as in assembly/SPEC.md, "Randomness". The same seed draws the same
 * batches in every engine.
 */
const MASK = (1n << 64n) - 1n
const GOLDEN = 0x9e3779b97f4a7c15n
const BATCHES = 1n

function mix(bits: bigint): bigint {
  let x = ((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
  x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & MASK
  return x ^ (x >> 31n)
}

/** The stream that draws the items of batches. Its state is all of it. */
export class Draws {
  #state: bigint

  private constructor(state: bigint) {
    this.#state = state
  }

  static ofSeed(seed: number): Draws {
    return new Draws(mix((mix((BigInt(seed) + GOLDEN) & MASK) + BATCHES * GOLDEN) & MASK))
  }

  /** The stream after `count` draws. */
  static after(seed: number, count: number): Draws {
    const draws = Draws.ofSeed(seed)
    draws.#state = (draws.#state + BigInt(count) * GOLDEN) & MASK
    return draws
  }

  /** Uniform in [0, count). */
  below(count: number): number {
    this.#state = (this.#state + GOLDEN) & MASK
    return Number(((mix(this.#state) >> 32n) * BigInt(count)) >> 32n)
  }
}
