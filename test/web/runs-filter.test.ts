import { describe, expect, test } from 'vitest'
import { axisOf, brushed } from '../../client/web/charts/axes.ts'
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

describe('axes of parallel coordinates', () => {
  const lr = axisOf('lr', [0.0001, 0.01, null, 1])
  const act = axisOf('act', ['relu', 'gelu', 'silu'])

  test('numbers that span far are placed by ratios, names by the alphabet, and what has no value nowhere', () => {
    const places = [...lr.at].map(at => Number(at.toFixed(6)))
    expect(places).toEqual([0, 0.5, Number.NaN, 1])
    expect([...axisOf('width', [16, 32, 64]).at]).toEqual([0, 1 / 3, 1])
    expect([...act.at]).toEqual([0.5, 0, 1])
    expect([...axisOf('one', [3, 3]).at]).toEqual([0, 0])
  })

  test.each([
    ['', lr, [0.25, 0.75], false, 'lr>=0.001 lr<=0.1'],
    ['lr>0.5', lr, [0.75, 0.25], true, 'lr>=0.001 lr<=0.1'],
    ['width=32', lr, [-1, 0.5], true, 'width=32 lr>=0.0001 lr<=0.01'],
    ['width=32', lr, [0.5, 2], false, 'lr>=0.01 lr<=1'],
    ['lrx=1 lr>=2 lr<3', lr, undefined, true, 'lrx=1'],
    ['', act, [0.4, 0.6], false, 'act=relu'],
    ['', act, [0.1, 0.6], false, 'act>=gelu act<=relu'],
  ] as const)('“%s”, brushed on an axis', (filter, axis, range, adds, result) => {
    expect(brushed(filter, axis, { range, adds })).toBe(result)
  })
})
