import type { Instant } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { isUnsentMore } from '#store/dispatch.ts'

// What the groups that deal at the same time hold between them is less.
const LONG = 2_000
const LOOK_MS = 5_000

/** How much waits to be handed out, as far as it matters for how many may deal from it at the same time. */
export interface Line {
  /** By the last look; false before the first one. */
  isLong(): boolean
  /** Looks at most every five seconds. */
  look(trx: Trx, now: Instant): Promise<void>
}

export function newLine(): Line {
  let isLong = false
  let lookedAt = Number.NEGATIVE_INFINITY
  return {
    isLong: () => isLong,
    look: async (trx, now) => {
      if (Math.abs(now - lookedAt) < LOOK_MS) return // also where the clock went back
      lookedAt = now
      isLong = await isUnsentMore(trx, LONG)
    },
  }
}
