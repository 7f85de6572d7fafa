/** A source of chance: uniform in [0, 1). */
export type Rng = () => number

const BASE_MS = 500
// Five minutes: a server that comes back finds its hosts again soon, and a dead one is asked twelve times an hour.
const CAP_MS = 5 * 60_000

/**
 * How long to wait before attempt `attempt` (1 is the first repetition): full jitter over a doubling window, so that
 * hosts which lost the server together do not return together. Never sooner than the server asked (`floorMs`), and
 * then spread over another window, for the same reason.
 */
export function backoffMs(attempt: number, rng: Rng, floorMs = 0): number {
  const window = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt - 1, 30))
  return floorMs + Math.floor(rng() * window)
}
