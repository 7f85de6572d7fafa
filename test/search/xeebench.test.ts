import { beforeAll, expect, test } from 'vitest'
import { median } from '#ops/bench/search/compare.ts'
import { WITHIN } from '#ops/bench/xeebench/compare.ts'
import { type Bench, benchOf, type Contestant, fuelToFind } from '#ops/bench/xeebench/search.ts'
import { readTable, type Table } from '#ops/bench/xeebench/table.ts'

// `npm run bench:xeebench` in small: searches on real runs, which are in a table (ops/docs/xeebench.md).
const SEEDS = Array.from({ length: 25 }, (_, seed) => seed)
let table: Table
let bench: Bench
beforeAll(async () => {
  table = await readTable()
  bench = benchOf(table)
})

const fuelOf = (sampler: Contestant['sampler'], pruner: Contestant['pruner']): number =>
  median(SEEDS.map(seed => fuelToFind(bench, { sampler, pruner, seed }, WITHIN)))

test('the table is whole: every point of the space with three seeds, each with its four rungs', () => {
  expect(bench.size).toBe(table.file.budget.runs)
  expect(table.rows.length).toBe(bench.size * table.file.replicate.seeds)
  const fuelMax = table.file.budget.fuel_per_run ?? 0
  for (const { rungs } of table.rows) {
    const spent = rungs.map(end => end?.fuel ?? Number.NaN)
    expect(spent).toEqual(spent.toSorted((a, b) => a - b))
    expect(spent.at(-1)).toBeLessThanOrEqual(fuelMax)
  }
  expect(bench.goodWithin(WITHIN)).toBeLessThan(bench.size / 50) // chance alone does not do
})

// Medians of 50 seeds are 0.07 and 0.23 of random search's (ops/LOG.md); of 25, with room for luck:
test('tpe with asha finds what is as good as the best with less than a fifth of the fuel of chance, without asha with less than half', () => {
  const chance = fuelOf('random', 'none')
  expect(fuelOf('tpe', 'asha')).toBeLessThan(chance / 5)
  expect(fuelOf('tpe', 'none')).toBeLessThan(chance / 2)
})

test('a search ends with the first run where all are good enough, and when it could have computed everything', () => {
  const first = fuelToFind(bench, { sampler: 'random', pruner: 'none', seed: 0 }, Infinity)
  expect(first).toBeGreaterThan(0.9)
  expect(first).toBeLessThanOrEqual(1)
  expect(fuelToFind(bench, { sampler: 'random', pruner: 'none', seed: 0 }, -1)).toBe(Infinity)
})

test('a rung costs what it adds to the one before: of 27 that look alike nine, three and one go on, for three runs in all', () => {
  const [row] = table.rows
  const rungs = [1, 3, 9, 27].map(share => ({ loss: 3, fuel: share * 1e9 }))
  const alike = benchOf({
    ...table,
    file: {
      ...table.file,
      budget: { ...table.file.budget, fuel_per_run: 27e9 },
      space: { depth: { int: [0, 26] } },
    },
    rows: Array.from({ length: 27 }, (_, depth) => ({
      ...row!,
      values: { depth },
      rungs: [rungs[0]!, rungs[1]!, rungs[2]!, rungs[3]!],
    })),
  })
  expect(fuelToFind(alike, { sampler: 'random', pruner: 'asha', seed: 1 }, 0)).toBeCloseTo(3, 9)
})
