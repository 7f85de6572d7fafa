import { SAMPLERS } from '#protocol/space.ts'
import { PROBLEMS } from './functions.ts'
import { regretsOf } from './simulate.ts'

export interface Task {
  readonly problem: string
  readonly sampler: string
  readonly seed: number
  readonly count: number
}

/** What a thread of the benchmark does: one simulated campaign. */
export function simulate({ problem, sampler, seed, count }: Task): number[] {
  const found = PROBLEMS.find(({ name }) => name === problem)
  const name = SAMPLERS.find(each => each === sampler)
  if (found === undefined || name === undefined) throw new Error(`no ${problem} or no ${sampler}`)
  return regretsOf(found, { name, seed }, count)
}
