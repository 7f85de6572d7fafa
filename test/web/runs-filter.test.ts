import { describe, expect, test } from 'vitest'
import { csv } from '../../client/web/charts/figure.tsx'
import { filterOf, type Row, sorted } from '../../client/web/runs-filter.ts'

const row = (rank: number, mean: number | null, recipe: Row['recipe']): Row => ({
  ...{ rank, mean, recipe, n: 1, ci95: null, diverged: 0, failed: 0, provisional: 0 },
  ...{ engines: ['wasm' as const], exactness: 'exact' as const },
  ...{ experimentId: `e_${rank}`, resultId: null, baseline: false },
})
const ROWS = [
  row(1, 1.5, { lr: 0.001, width: 32, act: 'relu' }),
  row(2, 1.7, { lr: 0.01, width: 64, act: 'gelu' }),
  row(3, null, { lr: 0.1, width: 32, act: 'relu' }),
]

describe('experiments in a table', () => {
  test.each([
    ['', [1, 2, 3]],
    ['width=32', [1, 3]],
    ['lr>0.001', [2, 3]],
    ['lr>=0.001 lr<0.1', [1, 2]],
    ['act=gelu', [2]],
    ['act!=gelu  width = 32', undefined],
    ['mean<1.6', [1]],
    ['constructor=1', []],
    ['nonsense', undefined],
  ])('the filter “%s” keeps %j', (text, ranks) => {
    const fits = filterOf(text)
    expect(fits === undefined ? undefined : ROWS.filter(fits).map(r => r.rank)).toEqual(ranks)
  })

  test.each([
    ['-rank', [3, 2, 1]],
    ['lr', [1, 2, 3]],
    ['-mean', [2, 1, 3]],
    ['mean', [1, 2, 3]],
    ['act', [2, 1, 3]],
  ])('sorted by %s: %j; what has no value comes last', (by, ranks) => {
    expect(sorted(ROWS, by).map(r => r.rank)).toEqual(ranks)
  })

  test('a CSV quotes what needs it and lets no cell be a formula', () => {
    const text = csv({
      columns: ['a', 'b'],
      rows: [
        ['=1+1', -1.5],
        ['x,"y"', null],
      ],
    })
    expect(text).toBe(`a,b\r\n'=1+1,-1.5\r\n"x,""y""",\r\n`)
  })
})
