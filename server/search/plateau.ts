/** A plateau is looked for once so many trials have finished, over at least so many of the latest. */
const FINISHED_MIN = 40
const WINDOW_MIN = 20

export interface Plateau {
  readonly isFlat: boolean
  /** How many of the latest finished trials were looked at. */
  readonly window: number
  /** By how much the best loss fell within them. */
  readonly gain: number
}

/**
 * Whether a search has stopped getting better: over the last third of the finished trials, at least 20, the best loss
 * fell by less than `effect`, the difference that the campaign finds worth having.
 * @param losses of finished trials in recorded order, lower is better
 */
export function plateauOf(losses: readonly number[], effect: number): Plateau {
  const window = Math.max(WINDOW_MIN, Math.ceil(losses.length / 3))
  if (losses.length < FINISHED_MIN) return { isFlat: false, window, gain: Infinity }
  const least = (some: readonly number[]): number => some.reduce((a, b) => Math.min(a, b), Infinity)
  const before = least(losses.slice(0, -window))
  const gain = before - Math.min(before, least(losses.slice(-window)))
  return { isFlat: gain < effect, window, gain }
}
