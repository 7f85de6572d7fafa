import { groupLie } from '../lie.ts'
import type { Strategy } from '../strategy.ts'

/** Owners who share one wrong answer to each run that they chose to spoil: all of them say the same. */
export const strategy: Strategy = {
  name: 'colluder',
  kind: 'colluding',
  answer: me => groupLie(me, 'the ring'),
}
