import type { Recipe } from '#protocol/job.ts'
import type { SearchSpace } from './search-space.ts'

/**
 * What became of an experiment so far. `partial`: it was stopped at rung `rung` or is on its way to the next, and
 * `value` is its metric there. A value is the mean over the seeds.
 */
export type Outcome =
  | { readonly state: 'finished'; readonly value: number }
  | { readonly state: 'partial'; readonly rung: number; readonly value: number }
  | { readonly state: 'failed' | 'diverged' }

/** An experiment as it is recorded. */
export interface Trial {
  readonly recipe: Recipe
  /** How many trials had an outcome when it was proposed: with their order, the whole history at that ask. */
  readonly asked: number
}

/** What a sampler is told. Who proposed a recipe does not matter: an agent's inform it as well as its own. */
export interface History {
  /** In the order in which their outcomes were recorded. */
  readonly known: readonly (Trial & { readonly outcome: Outcome })[]
  /** Without an outcome yet. */
  readonly pending: readonly Trial[]
}

/** A trial with an outcome, in the coordinates of the space. */
export interface Observation {
  readonly coordinates: Float64Array
  readonly state: Outcome['state']
  /** Lower is better, whatever the goal; NaN for failed and diverged. */
  readonly loss: number
  /** Of a partial one; Infinity when it finished. */
  readonly rung: number
  readonly asked: number
}

/** A history in the coordinates of a space. `pending` grows while a batch is proposed. */
export interface View {
  readonly observations: readonly Observation[]
  /** The same, best first: finished by loss, partial ones by rung and loss, failures last; ties in recorded order. */
  readonly ranked: readonly Observation[]
  readonly pending: PendingPoint[]
}

export interface PendingPoint {
  readonly coordinates: Float64Array
  readonly asked: number
}

export type Goal = 'minimize' | 'maximize'

export function viewOf(space: SearchSpace, goal: Goal, { known, pending }: History): View {
  const sign = goal === 'minimize' ? 1 : -1
  const observations = known.map(({ recipe, asked, outcome }): Observation => {
    const value = 'value' in outcome ? outcome.value : Number.NaN
    // A metric that is no number is a divergence, whatever it is called.
    const state = 'value' in outcome && !Number.isFinite(value) ? 'diverged' : outcome.state
    const loss = Number.isFinite(value) ? sign * value : Number.NaN
    const rung = outcome.state === 'partial' ? outcome.rung : Infinity
    return { coordinates: space.encode(recipe), asked, state, loss, rung }
  })
  return {
    observations,
    ranked: observations.toSorted(byMerit),
    pending: pending.map(({ recipe, asked }) => ({ coordinates: space.encode(recipe), asked })),
  }
}

const CLASS = { finished: 0, partial: 1, failed: 2, diverged: 2 } as const

/** Best first: finished by loss, partial ones by rung and loss, failures last. */
export function byMerit(a: Observation, b: Observation): number {
  const classes = CLASS[a.state] - CLASS[b.state]
  if (classes !== 0) return classes
  if (a.state === 'failed' || a.state === 'diverged') return 0
  return a.rung === b.rung ? a.loss - b.loss : b.rung - a.rung
}

/** Whether a point is in the history already, with an outcome or without. */
export function isTaken({ observations, pending }: View, point: Float64Array): boolean {
  const isSame = ({ coordinates }: PendingPoint): boolean => {
    for (let i = 0; i < point.length; i++) if (!Object.is(coordinates[i], point[i])) return false
    return true
  }
  return observations.some(isSame) || pending.some(isSame)
}
