import { lies, tempting } from '../lie.ts'
import type { Strategy } from '../strategy.ts'

// It knows the rules: ten confirmed results make a host trusted, twice as many after each exclusion. What confirms it
// does not see, so it waits for three times as many reports.
const PATIENCE = 30

/** Computes until it believes that nobody looks any more, then lies at its rate. */
export const strategy: Strategy = {
  name: 'sleeper',
  kind: 'dishonest',
  answer: me => {
    const wait = PATIENCE * 2 ** me.self.exclusions
    return me.self.reports >= wait && lies(me) ? tempting(me) : me.truth
  },
}
