import { hashOf, normal, stream } from './random.ts'

/** Which computation a work unit is. */
export interface Run {
  readonly campaign: number
  readonly ordinal: number // of the experiment
  readonly seedIndex: number
}

/** What a host says about a run. Two answers are the same report exactly if both fields are. */
export interface Answer {
  readonly metric: number // val_bpb
  /** Stands for the trace and the weights: an honest one is the run's own. */
  readonly print: string
}

export const nameOf = ({ campaign, ordinal, seedIndex }: Run): string => `${campaign}/${ordinal}/${seedIndex}`

/** A report's identity, as the digest is for real ones. */
export const digestOf = ({ metric, print }: Answer): string => `${print}@${metric}`

export const isTrue = (run: Run, answer: Answer): boolean =>
  answer.print === nameOf(run) && answer.metric === truthOf(run).metric

const FLOOR = 3 // val_bpb of the best recipe
const SEED_NOISE = 0.01
const DIMENSIONS = 3

/**
 * What every honest host computes: a bowl over three hyper-parameters drawn at random (so that records come ever more
 * seldom, as in a real random search), and the noise of the seed. Six decimals, as a kernel prints them.
 */
export function truthOf(run: Run): Answer {
  const name = nameOf(run)
  const recipe = stream(hashOf(`${run.campaign}/${run.ordinal}`), 'recipe')
  let distance = 0
  for (let i = 0; i < DIMENSIONS; i++) distance += (recipe() - 0.5) ** 2
  const noise = SEED_NOISE * normal(stream(hashOf(name), 'seed'))
  return { metric: rounded(FLOOR + 2 * distance + noise), print: name }
}

export const rounded = (metric: number): number => Math.round(metric * 1e6) / 1e6
