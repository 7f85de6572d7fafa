/** How often in a row, second by second, calls had to be refused because there were too many. */
export interface Overload {
  readonly level: number
  readonly since: number // ms; when the level last changed
}

export const CALM: Overload = { level: 0, since: 0 }

// A level for each second in which somebody was refused, one less for each in which nobody was: an overload that lasts doubles what it
// asks of callers until few enough are left, and is forgotten as slowly as it came, so that it does not begin again at once.
const STEP_MS = 1_000
const LEVEL_MAX = 7
const BASE_MS = 500
const CEILING_MS = 60_000

/** The overload as it has become by `now`, when nobody was refused since. */
export function relaxed({ level, since }: Overload, now: number): Overload {
  const steps = Math.floor((now - since) / STEP_MS)
  return steps <= 1 ? { level, since } : { level: Math.max(0, level - (steps - 1)), since: now - STEP_MS }
}

/** The overload after somebody was refused at `now`. */
export function worsened(overload: Overload, now: number): Overload {
  const { level, since } = relaxed(overload, now)
  if (level > 0 && now - since < STEP_MS) return { level, since }
  return { level: Math.min(LEVEL_MAX, level + 1), since: now }
}

/** What a refused caller is asked to wait, ms: spread over as much again, so that they do not all come back at once. */
export const waitAsked = ({ level }: Overload, random: () => number): number =>
  Math.round(Math.min(CEILING_MS / 2, BASE_MS * 2 ** Math.max(0, level - 1)) * (1 + random()))
