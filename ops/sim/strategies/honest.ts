import type { Strategy } from '../strategy.ts'

/** Computes and says what came out. */
export const strategy: Strategy = {
  name: 'honest',
  kind: 'honest',
  answer: ({ truth }) => truth,
}
