import { lies, tempting } from '../lie.ts'
import type { Strategy } from '../strategy.ts'

/** Lies independently, from the first run on, at its rate. */
export const strategy: Strategy = {
  name: 'forger',
  kind: 'dishonest',
  answer: me => (lies(me) ? tempting(me) : me.truth),
}
