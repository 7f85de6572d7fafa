import { join } from 'node:path'
import { Piscina } from 'piscina'
import { type Pruner, SAMPLERS } from '#protocol/space.ts'
import type { Figure } from '../../figures.ts'
import { digits, median } from '../search/compare.ts'
import type { Contestant } from './search.ts'

const THREADS = 2

/** A recipe whose mean is this close to the best, in bits per byte, is as good as found: about one standard error of three seeds. */
export const WITHIN = 0.02

/** The default search may need at most this share of the fuel of random search. */
const SHARE_MAX = 0.5

const PRUNED: readonly Pruner[] = ['asha', 'hyperband', 'median']

/** Median fuel, in whole runs of all seeds, until each search has found what is as good as the best; the ratio is to random search. */
export async function compareSearches(
  seeds: number,
  samplers: readonly string[] | undefined,
): Promise<Figure[]> {
  const pool = new Piscina<Contestant & { within: number }, number>({
    filename: join(import.meta.dirname, 'thread.ts'),
    name: 'search',
    maxThreads: THREADS,
  })
  const fuelOf = async (sampler: Contestant['sampler'], pruner: Pruner): Promise<number> =>
    median(
      await Promise.all(
        Array.from({ length: seeds }, (_, seed) => pool.run({ sampler, pruner, seed, within: WITHIN })),
      ),
    )
  const random = await fuelOf('random', 'none')
  const figures: Figure[] = [{ name: 'xeebench.random.none', value: digits(random), unit: 'runs' }]
  for (const sampler of SAMPLERS.filter(name => samplers?.includes(name) ?? name !== 'grid')) {
    for (const pruner of ['none', ...PRUNED] as const) {
      if (sampler === 'random' && pruner === 'none') continue
      const fuel = await fuelOf(sampler, pruner)
      const reference =
        sampler === 'tpe' && pruner === 'asha' ? { reference: digits(SHARE_MAX * random) } : {}
      figures.push({
        ...{ name: `xeebench.${sampler}.${pruner}`, value: digits(fuel), unit: 'runs' },
        ...{ ratio: digits(fuel / random), ...reference },
      })
      console.error(`${sampler} ${pruner}: ${digits(fuel)} runs`)
    }
  }
  await pool.destroy()
  return figures
}
