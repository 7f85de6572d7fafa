import { SAMPLERS } from '#protocol/space.ts'
import type { History } from '#search/history.ts'
import type { Figure } from '../../figures.ts'
import { digits, median } from './compare.ts'
import { mixed } from './functions.ts'
import { searchFor } from './simulate.ts'

const WARM_UPS = 5
const ROUNDS = 15

/** Milliseconds that one ask takes after so many finished experiments. Alone on the machine these are firm to ±50 %. */
export function askTimes(): Figure[] {
  return SAMPLERS.filter(name => name !== 'grid').flatMap(name =>
    (name === 'gp' ? [300] : [1_000, 10_000]).map((finished): Figure => {
      const history = historyOf(finished)
      const times = Array.from({ length: WARM_UPS + ROUNDS }, () => {
        // A fresh search: nothing may be remembered from the last ask.
        const search = searchFor(mixed, { name, seed: 1 })
        const start = performance.now()
        search.ask(history, 1)
        return performance.now() - start
      })
      const reference = name === 'gp' ? 250 : finished === 1_000 ? 5 : 50
      return {
        name: `ask.${name}.${finished}`,
        value: digits(median(times.slice(WARM_UPS))),
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
