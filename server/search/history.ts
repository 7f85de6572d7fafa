import { invariant } from '#domain/invariant.ts'
import type { Recipe } from '#protocol/job.ts'
import type { Proposer } from '#protocol/space.ts'
import { at } from './linear.ts'
import type { SearchSpace } from './search-space.ts'

/**
 * What became of an experiment so far. `partial`: it was stopped at rung `rung` or is on its way to the next, and
 * `value` is its metric there. A value is the mean over the seeds. Of a failure `rung` is the one that it did not reach; without it
 * the last.
 */
export type Outcome =
  | { readonly state: 'finished'; readonly value: number }
  | { readonly state: 'partial'; readonly rung: number; readonly value: number }
  | { readonly state: 'failed'; readonly rung?: number | undefined }
  | { readonly state: 'diverged'; readonly rung?: number | undefined }

/** An experiment as it is recorded; its place in the history is its ordinal. */
export interface Trial {
  readonly recipe: Recipe
  /** How many reports the history had when it was proposed: what makes the ask replayable. */
  readonly asked: number
  /** Who proposed it; without it the only one who could. */
  readonly proposer?: Proposer | null | undefined
  /** How many promotions the history had when it was proposed; only where several propose. */
  readonly promotions?: number | undefined
}

/** That a trial passed a sequential test, or that this was withdrawn. A later one of the same trial replaces an earlier one. */
export interface Promotion {
  readonly ordinal: number
  readonly stands: boolean
}

/** What was learnt of a trial at one time. A later report of the same trial replaces an earlier one. */
export interface Report {
  readonly ordinal: number
  readonly outcome: Outcome
}

/**
 * All that a sampler is told: every trial that was proposed, and the reports in the order in which they were recorded. A
 * trial without a report is pending. Who proposed a recipe does not matter to a sampler: an agent's inform it as its own do. Where
 * several propose, who is asked next follows from it, and from the promotions in the order in which they were told.
 */
export interface History {
  readonly trials: readonly Trial[]
  readonly reports: readonly Report[]
  readonly promotions?: readonly Promotion[] | undefined
}

/** The history as it was when trial `ordinal` was proposed. */
export const historyAt = ({ trials, reports, promotions = [] }: History, ordinal: number): History => ({
  trials: trials.slice(0, ordinal),
  reports: reports.slice(0, trials[ordinal]?.asked ?? reports.length),
  promotions: promotions.slice(0, trials[ordinal]?.promotions ?? promotions.length),
})

/** A trial with an outcome, in the coordinates of the space. */
export interface Observation {
  readonly coordinates: Float64Array
  readonly state: Outcome['state']
  /** Lower is better, whatever the goal; NaN for failed and diverged. */
  readonly loss: number
  /** Of a partial one; Infinity when it finished. */
  readonly rung: number
  /** How many trials had an outcome when it was proposed. */
  readonly asked: number
}

/** A history in the coordinates of a space. `pending` grows while a batch is proposed. */
export interface View {
  /** In the order of their first reports. */
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

export function viewOf(space: SearchSpace, goal: Goal, { trials, reports }: History): View {
  const sign = goal === 'minimize' ? 1 : -1
  const last = new Map<number, Outcome>() // by ordinal, in the order of first reports
  const knownAfter = new Float64Array(reports.length + 1)
  reports.forEach(({ ordinal, outcome }, i) => {
    last.set(ordinal, outcome)
    knownAfter[i + 1] = last.size
  })
  const pointOf = ({ recipe, asked }: Trial): PendingPoint => ({
    coordinates: space.encode(recipe),
    asked: knownAfter[asked] ?? last.size,
  })
  const observations = Array.from(last, ([ordinal, outcome]): Observation => {
    const trial = trials[ordinal]
    invariant(trial !== undefined, 'reports are of trials in the history')
    return { ...pointOf(trial), ...measured(outcome, sign) }
  })
  return {
    observations,
    ranked: observations.toSorted(byMerit),
    pending: trials.filter((_, ordinal) => !last.has(ordinal)).map(pointOf),
  }
}

/** A metric that is no number is a divergence, whatever it is called. */
function measured(outcome: Outcome, sign: 1 | -1): Pick<Observation, 'state' | 'loss' | 'rung'> {
  if (outcome.state === 'failed') return { state: 'failed', loss: Number.NaN, rung: 0 }
  if (outcome.state === 'diverged' || !Number.isFinite(outcome.value))
    return { state: 'diverged', loss: Number.NaN, rung: 0 }
  const rung = outcome.state === 'partial' ? outcome.rung : Infinity
  return { state: outcome.state, loss: sign * outcome.value, rung }
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
  for (const { coordinates } of observations) if (isSame(coordinates, point)) return true
  for (const { coordinates } of pending) if (isSame(coordinates, point)) return true
  return false
}

function isSame(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < b.length; i++) {
    const [x, y] = [at(a, i), at(b, i)]
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return false
  }
  return true
}
