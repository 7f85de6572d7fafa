import type { Strategy } from '../strategy.ts'
import { rounded } from '../truth.ts'

// One to two runs in a hundred, by host: what a bad stick of memory does to an hour of training.
const FAULTS_MIN = 0.01
const FAULTS_MAX = 0.02

/** An honest host whose memory flips a bit now and then: mostly the digits change a little, seldom a lot. */
export const strategy: Strategy = {
  name: 'flaky',
  kind: 'flaky',
  answer: ({ truth, self, random, serial }) => {
    const faults = FAULTS_MIN + (FAULTS_MAX - FAULTS_MIN) * self.trait
    if (random() >= faults) return truth
    const size = random() < 0.8 ? 0.002 : 0.3
    const metric = rounded(truth.metric + size * (random() - 0.5))
    return { metric, print: `flip ${serial}` }
  },
}
