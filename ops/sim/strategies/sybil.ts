import { groupLie } from '../lie.ts'
import type { Strategy } from '../strategy.ts'

/** One person who enrols many times, as owners of their own, and lets them vouch for each other's lies. */
export const strategy: Strategy = {
  name: 'sybil',
  kind: 'dishonest',
  identities: 4,
  answer: me => groupLie(me, me.self.person),
}
