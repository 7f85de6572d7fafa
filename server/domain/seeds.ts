import { createHmac } from 'node:crypto'
import type { Sha256 } from '#protocol/units.ts'

export interface SeedSource {
  /** Known to the server only, so that nobody picks hosts or recipes by their seeds in advance. */
  readonly secret: string | Uint8Array
  readonly moduleSha256: Sha256
  readonly data: readonly Sha256[] // in slot order
}

// All experiments of a campaign ask for the same few.
const known = new WeakMap<SeedSource, Map<number, number>>()

/**
 * Seed `index` of a kernel on its data: the first 48 bits of HMAC-SHA-256(secret, kernel ‖ data ‖ index), big-endian
 * (DESIGN §10). It does not depend on experiment or campaign, so that seeds pair across both.
 */
export function seedFor(source: SeedSource, index: number): number {
  const seeds = known.get(source) ?? new Map<number, number>()
  known.set(source, seeds)
  return seeds.getOrInsertComputed(index, () => drawSeed(source, index))
}

function drawSeed({ secret, moduleSha256, data }: SeedSource, index: number): number {
  const text = [moduleSha256, ...data, String(index)].join('|')
  return createHmac('sha256', secret).update(text).digest().readUIntBE(0, 6)
}
