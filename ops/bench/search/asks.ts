import { SAMPLERS } from '#protocol/space.ts'
import type { History } from '#search/history.ts'
import type { Figure } from '../../figures.ts'
import { digits } from './compare.ts'
import { mixed } from './functions.ts'
import { searchFor } from './simulate.ts'

const WARM_UPS = 5
const ROUNDS = 20

/**
 * Milliseconds of CPU that one ask takes after so many finished experiments: it computes and waits for nothing, so that
 * neighbours on the machine do not count.
 */
export function askTimes(): Figure[] {
  return SAMPLERS.filter(name => name !== 'grid').flatMap(name =>
    (name === 'gp' ? [300] : [1_000, 10_000]).map((finished): Figure => {
      const history = historyOf(finished)
      // A fresh search each time: nothing may be remembered from the last ask.
      const ask = (): unknown => searchFor(mixed, { name, seed: 1 }).ask(history, 1)
      for (let i = 0; i < WARM_UPS; i++) ask()
      const before = process.threadCpuUsage()
      for (let i = 0; i < ROUNDS; i++) ask()
      const { user, system } = process.threadCpuUsage(before)
      const value = digits((user + system) / 1000 / ROUNDS)
      const reference = name === 'gp' ? 250 : finished === 1_000 ? 5 : 50
      return {
        name: `ask.${name}.${finished}`,
        value,
        unit: 'ms',
        reference,
      }
    }),
  )
}

function historyOf(finished: number): History {
  const { proposals } = searchFor(mixed, { name: 'random', seed: 2 }).ask(
    { trials: [], reports: [] },
    finished,
  )
  return {
    trials: proposals.map(({ recipe }, asked) => ({ recipe, asked })),
    reports: proposals.map(({ values }, ordinal) => ({
      ordinal,
      outcome: { state: 'finished', value: mixed.of(values) },
    })),
  }
}
