import { LAST_RUNG } from '#protocol/job.ts'
import type { History, Outcome, Report } from './history.ts'

/** What is public of an experiment's runs to one rung. */
export interface RunsOfExperiment {
  readonly ordinal: number
  readonly rung: number
  /** Work units. */
  readonly units: number
  /** Of them, those that are over and out of embargo. */
  readonly over: number
  /** How the published runs ended. */
  readonly statuses: readonly string[]
  /** Metrics of those that ended ok. */
  readonly metrics: readonly number[]
}

/** What became of an experiment at a rung, for a sampler: the mean over its seeds; undefined while any run is not over. */
export function outcomeOf(runs: RunsOfExperiment): Outcome | undefined {
  const { rung, units, over, statuses, metrics } = runs
  if (units === 0 || over < units) return undefined
  const isLast = rung === LAST_RUNG
  const lost = isLast ? {} : { rung }
  if (statuses.includes('diverged')) return { state: 'diverged', ...lost }
  if (metrics.length < units) return { state: 'failed', ...lost }
  const value = metrics.reduce((sum, metric) => sum + metric, 0) / metrics.length
  return isLast ? { state: 'finished', value } : { state: 'partial', rung, value }
}

/** The rung that an outcome is of. */
export const rungOf = (outcome: Outcome): number =>
  outcome.state === 'finished' ? LAST_RUNG : (outcome.rung ?? LAST_RUNG)

/**
 * The reports to add, in the order of the experiments: what is over, and was not reported or has changed since. Of an experiment
 * only the highest rung counts that is over; while one that was told is open again, what was told stands.
 */
export function newReports(
  runs: readonly RunsOfExperiment[],
  last: ReadonlyMap<number, Outcome>,
): readonly Report[] {
  return [...Map.groupBy(runs, ({ ordinal }) => ordinal)]
    .sort(([a], [b]) => a - b)
    .flatMap(([ordinal, rungs]) => {
      const outcome = rungs
        .toSorted((a, b) => b.rung - a.rung)
        .map(outcomeOf)
        .find(each => each !== undefined)
      const known = last.get(ordinal)
      if (outcome === undefined) return []
      if (known !== undefined && (rungOf(outcome) < rungOf(known) || isSame(outcome, known))) return []
      return [{ ordinal, outcome }]
    })
}

function isSame(a: Outcome, b: Outcome): boolean {
  if (a.state !== b.state || rungOf(a) !== rungOf(b)) return false
  return !('value' in a) || !('value' in b) || a.value === b.value
}

/** What was last reported of each experiment. */
export const lastOutcomes = ({ reports }: Pick<History, 'reports'>): ReadonlyMap<number, Outcome> =>
  new Map(reports.map(({ ordinal, outcome }) => [ordinal, outcome]))
