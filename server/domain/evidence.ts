import { isExact } from '#protocol/engine.ts'
import { Job } from '#protocol/job.ts'
import type { RunReport } from '#protocol/report.ts'
import type { HostId, ResultId } from '#protocol/units.ts'
import { robustZ } from './residual.ts'
import { median } from './statistics.ts'

/** Of the finished runs, those whose weights are asked for (DESIGN §8, V1). */
const ASKED_SHARE = 0.005
/** Of what is delivered, what nobody looks at: who delivers cannot know. */
const DECOY_SHARE = 0.5

/**
 * Whether a success is judged only once its weights were looked at: where the class has a tolerance, the metric that counts is the
 * one which they give (DESIGN §8, V1).
 */
export const awaitsWeights = ({ engine, status }: Pick<RunReport, 'engine' | 'status'>): boolean =>
  engine !== undefined && !isExact(engine) && status === 'ok'

/** Whether weights are asked for, and whether that is for show, given the draws of the result. */
export const drawWeights = ([ask, look]: readonly [number, number]): 'none' | 'decoy' | 'evaluate' => {
  if (ask >= ASKED_SHARE) return 'none'
  return look < DECOY_SHARE ? 'decoy' : 'evaluate'
}

/** The job that evaluates the weights of a run: the same but for its task, and without rungs, which are a matter of training. */
export function evaluationOf(job: string): Job {
  const { rungs: _, ...trained } = Job.parse(JSON.parse(job))
  return { ...trained, task: 'evaluate' }
}

/** What a verifier says of an evaluation. */
export type Evaluated =
  | { readonly type: 'success'; readonly metric: number | null }
  | { readonly type: 'error'; readonly code: string }

/** How an evaluation on a hidden text ended; what it reached is kept, and nobody is told. */
export const scoreOf = (
  evaluated: Evaluated,
): { readonly outcome: 'scored' | 'failed'; readonly metric: number | null } =>
  evaluated.type === 'success' && evaluated.metric !== null
    ? { outcome: 'scored', metric: evaluated.metric }
    : { outcome: 'failed', metric: null }

/**
 * What an evaluation says about a claim. Equal runs give equal bits, so any other number is a lie; weights that the kernel
 * does not take are no weights of this run.
 */
export function judgeWeights(claimed: number, evaluated: Evaluated): 'equal' | 'different' | 'failed' {
  if (evaluated.type === 'success') return evaluated.metric === claimed ? 'equal' : 'different'
  return evaluated.code === 'kernel_refused' ? 'different' : 'failed'
}

/** What weights reach on val, as claimed, and on the hidden text of its data set; bits, lower is better. */
export interface HiddenScore {
  readonly resultId: ResultId
  readonly hostId: HostId
  /** Scores of one kernel on one data set compare with each other. */
  readonly group: string
  readonly claimed: number
  readonly hidden: number
}

// Both must be exceeded: robust standard deviations of the peers' gaps, and bits. Recipes differ in how they generalise.
const Z_MIN = 6
const GAP_MIN = 0.05

/**
 * The results whose weights lose far more from val to the hidden text than those of other hosts: they have seen val. A flag
 * for people, not a verdict; with fewer than eight results of others nothing is said.
 */
export function knowVal(scores: readonly HiddenScore[]): HiddenScore[] {
  return [...Map.groupBy(scores, score => score.group).values()].flatMap(group =>
    group.filter(score => {
      const gaps = group.filter(peer => peer.hostId !== score.hostId).map(gapOf)
      const z = robustZ(gapOf(score), gaps)
      return z !== null && z > Z_MIN && gapOf(score) - median(gaps) > GAP_MIN
    }),
  )
}

const gapOf = ({ claimed, hidden }: HiddenScore): number => hidden - claimed
