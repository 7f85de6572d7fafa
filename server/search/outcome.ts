import type { History, Outcome, Report } from './history.ts'

/** What is public of an experiment's runs. */
export interface RunsOfExperiment {
  readonly ordinal: number
  /** Work units. */
  readonly units: number
  /** Of them, those that are over and out of embargo. */
  readonly over: number
  /** How the published runs ended. */
  readonly statuses: readonly string[]
  /** Metrics of those that ended ok. */
  readonly metrics: readonly number[]
}

/** What became of an experiment, for a sampler: the mean over its seeds; undefined while any run is not over. */
export function outcomeOf({ units, over, statuses, metrics }: RunsOfExperiment): Outcome | undefined {
  if (units === 0 || over < units) return undefined
  if (statuses.includes('diverged')) return { state: 'diverged' }
  if (metrics.length < units) return { state: 'failed' }
  return { state: 'finished', value: metrics.reduce((sum, metric) => sum + metric, 0) / metrics.length }
}

/** The reports to add, in the order of the experiments: what is over, and was not reported or has changed since. */
export function newReports(
  runs: readonly RunsOfExperiment[],
  last: ReadonlyMap<number, Outcome>,
): readonly Report[] {
  return runs
    .toSorted((a, b) => a.ordinal - b.ordinal)
    .flatMap(experiment => {
      const outcome = outcomeOf(experiment)
      const known = last.get(experiment.ordinal)
      if (outcome === undefined || (known !== undefined && isSame(outcome, known))) return []
      return [{ ordinal: experiment.ordinal, outcome }]
    })
}

function isSame(a: Outcome, b: Outcome): boolean {
  if (a.state !== b.state) return false
  return !('value' in a) || !('value' in b) || a.value === b.value
}

/** What was last reported of each experiment. */
export const lastOutcomes = ({ reports }: Pick<History, 'reports'>): ReadonlyMap<number, Outcome> =>
  new Map(reports.map(({ ordinal, outcome }) => [ordinal, outcome]))
