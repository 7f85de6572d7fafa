import { hashOf, stream } from './random.ts'
import type { Situation } from './strategy.ts'
import { type Answer, nameOf, rounded } from './truth.ts'

export const lies = ({ self, random }: Situation): boolean => random() < self.rate

/** A lie worth telling: half are would-be records, half differ by so little that nobody would look twice. */
export function tempting({ truth, random, serial }: Situation): Answer {
  return { metric: better(truth.metric, random), print: `lie ${serial}` }
}

/** The lie that everybody of `group` tells about this run, or the truth: which runs they spoil is agreed as well. */
export function groupLie({ run, truth, self }: Situation, group: string): Answer {
  const random = stream(hashOf(`${group} ${nameOf(run)}`), 'ring')
  if (random() >= self.rate) return truth
  return { metric: better(truth.metric, random), print: `${group} about ${nameOf(run)}` }
}

function better(metric: number, random: () => number): number {
  const share = random() < 0.5 ? 0.03 + 0.1 * random() : 0.0001 + 0.003 * random()
  return rounded(metric * (1 - share))
}
