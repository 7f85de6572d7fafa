import { sha256 } from '#protocol/canonical.ts'
import type { Limit } from '#protocol/job.ts'
import { MARKS } from '#protocol/limits.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type GlobalValues, globalBytes } from './globals.ts'

/**
 * How many of the eight marks a run has passed: mark k at fuelUsed ≥ k·fuel/8, or at updates ≥ k·N/8. Exact: products
 * of large fuels are taken as integers.
 */
export function marksDue(limit: Limit, at: { fuelUsed: bigint; updates: () => number }): number {
  const due =
    'fuel' in limit
      ? Number((BigInt(MARKS) * at.fuelUsed) / BigInt(limit.fuel))
      : Math.floor((MARKS * at.updates()) / limit.updates)
  return Math.min(MARKS, Math.max(0, due))
}

/**
 * SHA-256 of `xee_state` ‖ globalBytes(the mutable globals xee_g0…). The fuel is not in it: marks compare what was
 * computed, and the report states the fuel.
 */
export function markOf(state: Uint8Array, globals: GlobalValues): Promise<Sha256> {
  const tail = globalBytes(globals)
  const bytes = new Uint8Array(state.length + tail.length)
  bytes.set(state, 0)
  bytes.set(tail, state.length)
  return sha256(bytes)
}
