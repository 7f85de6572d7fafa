/** How many comparisons with trusted results are remembered of a host (DESIGN §8: three of the last twenty). */
const RECENT_CHECKS = 20

// One difference may be a flipped bit and two a bad stick of memory; an honest host with one fault in a thousand runs
// meets three in twenty with probability 1e-6.
const DIFFERENCES_TO_QUARANTINE = 3

/** The remembered comparisons, oldest first (`=` equal, `x` not), after one more. */
export function recordCheck(recent: string, equal: boolean): string {
  return (recent + (equal ? '=' : 'x')).slice(-RECENT_CHECKS)
}

/** Whether a host with these comparisons is to be quarantined. */
export function shouldQuarantine(recent: string): boolean {
  return recent.split('x').length - 1 >= DIFFERENCES_TO_QUARANTINE
}
