import { Job } from '#protocol/job.ts'

/** Of the finished runs, those whose weights are asked for (DESIGN §8, V1). */
const ASKED_SHARE = 0.005
/** Of what is delivered, what nobody looks at: who delivers cannot know. */
const DECOY_SHARE = 0.5

/** Whether weights are asked for, and whether that is for show, given the draws of the result. */
export const drawWeights = ([ask, look]: readonly [number, number]): 'none' | 'decoy' | 'evaluate' => {
  if (ask >= ASKED_SHARE) return 'none'
  return look < DECOY_SHARE ? 'decoy' : 'evaluate'
}

/** The job that evaluates the weights of a run: the same but for its task. */
export const evaluationOf = (job: string): Job => ({ ...Job.parse(JSON.parse(job)), task: 'evaluate' })

/**
 * What an evaluation says about a claim. Equal runs give equal bits, so any other number is a lie; weights that the kernel
 * does not take are no weights of this run.
 */
export function judgeWeights(
  claimed: number,
  evaluated:
    | { readonly type: 'success'; readonly metric: number | null }
    | { readonly type: 'error'; readonly code: string },
): 'equal' | 'different' | 'failed' {
  if (evaluated.type === 'success') return evaluated.metric === claimed ? 'equal' : 'different'
  return evaluated.code === 'kernel_refused' ? 'different' : 'failed'
}
