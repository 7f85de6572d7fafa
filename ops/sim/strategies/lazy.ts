import { lies } from '../lie.ts'
import type { Strategy } from '../strategy.ts'
import { rounded } from '../truth.ts'

/**
 * Computes nothing when it can help it: sends an answer that exists already, its own earlier one or a published one, half of
 * the time as it is, else with a digit changed so that it does not look like a copy.
 */
export const strategy: Strategy = {
  name: 'lazy',
  kind: 'dishonest',
  answer: me => {
    const { truth, self, random, published, serial } = me
    if (!lies(me)) return truth
    const known = random() < 0.5 ? self.lastAnswer : published
    if (known === undefined) return truth
    if (random() < 0.5) return known
    return { metric: rounded(known.metric + 0.001 * (random() - 0.5)), print: `adapted ${serial}` }
  },
}
