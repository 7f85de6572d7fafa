import { uniform } from '#search/random.ts'

/** A number in [0, 1). */
export type Random = () => number

/**
 * A stream of its own for each thing that draws, so that one host's luck does not depend on what others do: draw k of
 * the stream `name` is the same in every simulation with this seed.
 */
export function stream(seed: number, name: string): Random {
  const at = hashOf(name)
  let draw = 0
  return () => uniform(seed, draw++, at)
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

export const exponential = (mean: number, random: Random): number => -mean * Math.log(1 - random())

/** Box-Muller. */
export const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

export const between = (low: number, high: number, random: Random): number => low + (high - low) * random()

/** A whole number from `low` to `high`, both included. */
export const wholeBetween = (low: number, high: number, random: Random): number =>
  low + Math.floor((high - low + 1) * random())
