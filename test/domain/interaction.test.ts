import { expect, test } from 'vitest'
import { meanOf, verdictOf } from '#domain/comparison.ts'
import { type Cell, interactionOf } from '#domain/interaction.ts'

const SEEDS = 12
/** Six seeds each way; `noise` differs by cell and seed, and is small. */
const cell = (best: number, by: number, mean: number): Cell => ({
  ...{ experimentId: `lr ${best} width ${by}`, best, by },
  values: new Map(
    Array.from({ length: SEEDS }, (_, seed) => [
      seed,
      mean + seed / 10 + ((seed * 7 + best * 3 + by) % 5) / 100,
    ]),
  ),
})

test('a rate that is best at one width and not at the other depends on it', () => {
  const cells = [cell(1, 16, 3), cell(2, 16, 2), cell(1, 32, 1), cell(2, 32, 2)]
  const { levels, contrast, verdict } = interactionOf(cells, 'minimize')
  expect(levels.map(({ by, best, all }) => [by, best, all.n])).toEqual([
    [16, 2, SEEDS],
    [32, 1, SEEDS],
  ])
  expect(verdict).toBe('depends')
  expect(contrast?.n).toBe(SEEDS / 2) // the other half made the choice
  expect(contrast?.mean).toBeCloseTo(2, 1)
})

test('the same rate at both widths is the same choice, also where more is better', () => {
  const cells = [cell(1, 16, 3), cell(2, 16, 2), cell(1, 32, 2), cell(2, 32, 1)]
  expect(interactionOf(cells, 'maximize')).toMatchObject({ contrast: null, verdict: 'same_choice' })
})

test.each([
  ['one width', [cell(1, 16, 3), cell(2, 16, 2)]],
  ['no runs', []],
  ['a cell without runs', [cell(1, 16, 3), cell(2, 16, 2), cell(1, 32, 1)]],
])('with %s nothing is said of dependence', (_, cells) => {
  expect(interactionOf(cells, 'minimize').verdict).toBe('not_measured')
})

test.each([
  [[-1, -1.1, -0.9], 'minimize', 'a_better'],
  [[-1, -1.1, -0.9], 'maximize', 'b_better'],
  [[-1, 1, 0.5], 'minimize', 'no_difference_shown'],
  [[-1, -1], 'minimize', 'too_few_pairs'],
  [[], 'minimize', 'too_few_pairs'],
] as const)('differences %j, to %s: %s', (differences, goal, verdict) => {
  expect(verdictOf(meanOf(differences), goal)).toBe(verdict)
})
