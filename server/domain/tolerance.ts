import type { Distance, Tolerance } from '#protocol/native.ts'

// Fewer pairs say little of devices that nobody has seen yet; with twenty the largest difference is passed by one pair in twenty.
const PAIRS_NEEDED = 20
// The next device may differ more than those before it.
const ROOM = 3
// However alike the first runs are: devices of one maker give the same bits, and recipes of one kernel carry rounding on a
// thousand times more or less (ops/LOG.md, "how far honest native runs lie apart"; the manifests leave room for half).
const LEAST_SHARE = 1 / 2

/**
 * The bounds of an engine class, from the differences of enough pairs of honest runs: three times the largest, and of the
 * manifest's bounds at least a half and never more than the whole. Undefined while there are too few pairs.
 */
export function boundsFrom(stated: Tolerance, pairs: readonly Distance[]): Tolerance | undefined {
  if (pairs.length < PAIRS_NEEDED) return undefined
  const bound = (name: keyof Tolerance): number => {
    const largest = Math.max(...pairs.map(pair => pair[name]))
    return Math.min(stated[name], Math.max(LEAST_SHARE * stated[name], ROOM * largest))
  }
  return { metric: bound('metric'), curve: bound('curve'), fingerprint: bound('fingerprint') }
}
