import { isRecord, type Score, type Scores } from '#domain/records.ts'
import type { ExperimentId } from '#protocol/units.ts'

/** The valid metrics of a campaign, to be minimised; runs come and are taken back. */
export interface Board {
  add(experimentId: ExperimentId, metric: number): void
  remove(experimentId: ExperimentId, metric: number): void
  isRecord(experimentId: ExperimentId, metric: number, leaderRows: number): boolean
  scores(): Scores
  /** The best experiments, best first. */
  leaders(rows: number): readonly ExperimentId[]
}

interface Leader extends Score {
  readonly experimentId: ExperimentId
}

// As many as any rule asks for, and one more.
const LEADERS = 11

export function newBoard(): Board {
  const experiments = new Map<ExperimentId, number[]>()
  let [n, mean, m2] = [0, 0, 0]
  let best: number | null | undefined = null // undefined: to be looked for
  let leaders: Leader[] | undefined = []
  const scoreOf = (id: ExperimentId): Score | undefined => {
    const metrics = experiments.get(id)
    if (metrics === undefined || metrics.length === 0) return undefined
    return { n: metrics.length, mean: metrics.reduce((sum, metric) => sum + metric, 0) / metrics.length }
  }
  const changed = (id: ExperimentId): void => {
    const last = leaders?.at(-1)
    const score = scoreOf(id)
    const enters = last === undefined || score === undefined || score.mean <= last.mean
    if (enters || leaders?.some(leader => leader.experimentId === id)) leaders = undefined
  }
  const scores = (): Scores => {
    best = best === undefined ? leastOf([...experiments.values()].flat()) : best
    leaders ??= leadersOf(experiments.keys(), scoreOf)
    return { goal: 'minimize', n, mean, m2, best, leaders }
  }
  return {
    scores,
    add: (id, metric) => {
      const delta = metric - mean
      n++
      mean += delta / n
      m2 += delta * (metric - mean)
      experiments.set(id, [...(experiments.get(id) ?? []), metric])
      if (best === null || (best !== undefined && metric < best)) best = metric
      changed(id)
    },
    remove: (id, metric) => {
      const before = mean
      mean = n === 1 ? 0 : (n * mean - metric) / (n - 1)
      m2 = n === 1 ? 0 : Math.max(0, m2 - (metric - mean) * (metric - before))
      n--
      const metrics = experiments.get(id) ?? []
      experiments.set(id, metrics.toSpliced(metrics.indexOf(metric), 1))
      if (metric === best) best = undefined
      leaders = undefined
    },
    isRecord: (id, metric, leaderRows) =>
      isRecord(scores(), { experimentId: id, metric, before: scoreOf(id) }, leaderRows),
    leaders: rows => {
      leaders ??= leadersOf(experiments.keys(), scoreOf)
      return leaders.slice(0, rows).map(leader => leader.experimentId)
    },
  }
}

const leastOf = (metrics: readonly number[]): number | null =>
  metrics.length === 0 ? null : metrics.reduce((least, metric) => Math.min(least, metric))

function leadersOf(ids: Iterable<ExperimentId>, scoreOf: (id: ExperimentId) => Score | undefined): Leader[] {
  const scored = [...ids].flatMap(experimentId => {
    const score = scoreOf(experimentId)
    return score === undefined ? [] : [{ experimentId, ...score }]
  })
  return scored.sort((a, b) => a.mean - b.mean).slice(0, LEADERS)
}
