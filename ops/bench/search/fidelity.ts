import type { Figure } from '../../figures.ts'
import { digits, median } from './compare.ts'
import type { Optuna } from './optuna.ts'
import { regretWithin } from './simulate.ts'

const UNITS = 1080

/** Runs that stop at rungs: the regret of TPE with each pruner, over that of random search with twice the units. */
export async function fidelityFigures(seeds: number, optuna: Optuna | undefined): Promise<Figure[]> {
  const numbers = Array.from({ length: seeds }, (_, seed) => seed)
  const random = median(
    numbers.map(seed => regretWithin({ units: 2 * UNITS, pruner: 'none' }, { name: 'random', seed })),
  )
  const figures: Figure[] = [
    { name: `fidelity.random.none.${2 * UNITS}`, value: digits(random), unit: 'regret' },
  ]
  for (const pruner of ['none', 'asha', 'hyperband', 'median'] as const) {
    const regret = median(numbers.map(seed => regretWithin({ units: UNITS, pruner }, { name: 'tpe', seed })))
    figures.push({
      ...{ name: `fidelity.tpe.${pruner}.${UNITS}`, value: digits(regret), unit: 'regret' },
      ...{ ratio: digits(regret / random) },
      ...(pruner === 'asha' ? { reference: digits(random / 10) } : {}),
    })
  }
  if (optuna === undefined) return figures
  const regrets: number[] = []
  for (const seed of numbers) regrets.push(await optuna.regretWithin(UNITS, 'tpe', seed))
  const value = median(regrets)
  return [
    ...figures,
    {
      name: `fidelity.optuna-tpe.asha.${UNITS}`,
      value: digits(value),
      unit: 'regret',
      ratio: digits(value / random),
    },
  ]
}
