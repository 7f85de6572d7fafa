import { describe, expect, test } from 'vitest'
import { bestSoFar, contourOf, paretoFront, sliceOf } from '#search/analysis.ts'
import { type History, viewOf } from '#search/history.ts'
import { IMPORTANCE_TRIALS_MIN, importances } from '#search/importance.ts'
import { distanceOf, nearest, noveltyOf } from '#search/novelty.ts'
import type { SpaceSource } from '#search/search-space.ts'
import { compiled, conditional, grown, searchOver } from '#support/searches.ts'

const source: SpaceSource = {
  space: {
    lr: { log: [1e-4, 1] },
    act: { choice: ['relu', 'gelu'] },
    noise: { float: [0, 1] },
    depth: { int: [1, 4] },
  },
}
const space = compiled(source)

const random = (trials: number): History =>
  grown(
    searchOver(source, { name: 'random', seed: 4 }),
    { batches: 1, batch: trials },
    ({ lr, depth, act }) => ({
      state: 'finished',
      value: (Math.log10(Number(lr)) + 2) ** 2 + 0.05 * Number(depth) + (act === 'gelu' ? 0 : 0.3),
    }),
  )

describe('importance', () => {
  test('ranks parameters by what they do to good trials, and gives noise next to nothing', () => {
    const found = importances(space, viewOf(space, 'minimize', random(2000)))!
    const share = (name: string): number => found.find(each => each.name === name)!.share
    expect(found.reduce((sum, each) => sum + each.share, 0)).toBeCloseTo(1, 10)
    expect(share('lr')).toBeGreaterThan(share('act'))
    expect(share('act')).toBeGreaterThan(share('depth'))
    expect(share('depth')).toBeGreaterThan(share('noise'))
    expect(share('noise')).toBeLessThan(0.02)
  })

  test('says nothing of few trials', () => {
    expect(importances(space, viewOf(space, 'minimize', random(IMPORTANCE_TRIALS_MIN - 1)))).toBeUndefined()
    expect(importances(space, viewOf(space, 'minimize', random(IMPORTANCE_TRIALS_MIN)))).toHaveLength(4)
  })

  test('counts being inactive as a value', () => {
    const history = grown(
      searchOver(conditional, { name: 'random', seed: 1 }),
      { batches: 1, batch: 400 },
      ({ opt, momentum }) => ({
        state: 'finished',
        value: opt === 'adam' ? 1 : 1 - Number(momentum),
      }),
    )
    const tree = compiled(conditional)
    const [first, second] = importances(tree, viewOf(tree, 'minimize', history))!.toSorted(
      (a, b) => b.share - a.share,
    )
    expect([first?.name, second?.name].sort()).toEqual(['momentum', 'nesterov'])
  })
})

describe('a history', () => {
  const trials = [0.1, 0.01, 0.001, 0.01].map((lr, i) => ({
    recipe: { lr, act: 'relu', noise: 0.5, depth: 1 + (i % 2) },
    asked: 0,
  }))
  const history: History = {
    trials: [...trials, { recipe: { lr: 0.5, act: 'gelu', noise: 0, depth: 4 }, asked: 0 }],
    reports: [
      { ordinal: 1, outcome: { state: 'partial', rung: 0, value: 0 } },
      { ordinal: 0, outcome: { state: 'finished', value: 5 } },
      { ordinal: 2, outcome: { state: 'finished', value: 7 } },
      { ordinal: 1, outcome: { state: 'finished', value: 3 } },
      { ordinal: 3, outcome: { state: 'diverged' } },
    ],
  }

  test('has a best-so-far, in the order of first reports, of finished trials only', () => {
    expect(bestSoFar(viewOf(space, 'minimize', history))).toEqual([{ finished: 1, loss: 3 }])
    expect(bestSoFar(viewOf(space, 'maximize', history))).toEqual([
      { finished: 1, loss: -3 },
      { finished: 2, loss: -5 },
      { finished: 3, loss: -7 },
    ])
  })

  test('keeps who has no outcome yet as pending', () => {
    expect(viewOf(space, 'minimize', history).pending).toHaveLength(1)
  })

  test('has slices: n, least and mean by value, with the empty values', () => {
    const view = viewOf(space, 'minimize', history)
    expect(sliceOf(space, view, 'depth')).toEqual([
      { value: 1, n: 2, least: 5, mean: 6, ci95: 12.706 },
      { value: 2, n: 1, least: 3, mean: 3, ci95: null },
      { value: 3, n: 0, least: null, mean: null, ci95: null },
      { value: 4, n: 0, least: null, mean: null, ci95: null },
    ])
    const lr = sliceOf(space, view, 'lr')!
    expect(lr).toHaveLength(16)
    expect(lr.reduce((sum, { n }) => sum + n, 0)).toBe(3)
    expect(sliceOf(space, view, 'width')).toBeUndefined()
  })

  test('has contours: row by row the cells of two parameters', () => {
    const contour = contourOf(space, viewOf(space, 'minimize', history), { x: 'depth', y: 'act' })
    expect(contour).toMatchObject({ x: [1, 2, 3, 4], y: ['relu', 'gelu'] })
    expect(contour?.cells.map(({ n }) => n)).toEqual([2, 1, 0, 0, 0, 0, 0, 0])
    expect(contour?.cells[0]).toEqual({ n: 2, least: 5, mean: 6, ci95: 12.706 })
    expect(contourOf(space, viewOf(space, 'minimize', history), { x: 'depth', y: 'width' })).toBeUndefined()
  })
})

test('the Pareto front has what nothing else beats in loss, parameters and fuel; equals stay', () => {
  const items = [
    { name: 'best', scores: [1, 900, 50] },
    { name: 'small', scores: [2, 100, 50] },
    { name: 'worse than small', scores: [2.5, 100, 50] },
    { name: 'cheap', scores: [3, 500, 1] },
    { name: 'twin of cheap', scores: [3, 500, 1] },
    { name: 'beaten by best', scores: [1, 901, 51] },
    { name: 'diverged', scores: [Number.NaN, 1, 1] },
  ]
  expect(paretoFront(items, ({ scores }) => scores).map(({ name }) => name)).toEqual([
    'best',
    'small',
    'cheap',
    'twin of cheap',
  ])
})

describe('novelty', () => {
  const recipe = { lr: 0.01, act: 'relu', noise: 0.5, depth: 2 }

  test('is 0 for what was tried, 1 before anything was', () => {
    expect(noveltyOf(space, recipe, [{ ...recipe, lr: 0.5 }, recipe])).toBe(0)
    expect(noveltyOf(space, recipe, [])).toBe(1)
  })

  test('measures each parameter in its own scale: a decade of four, a level of four, another category', () => {
    const distance = (change: object): number =>
      distanceOf(space, space.encode(recipe), space.encode({ ...recipe, ...change }))
    expect(distance({ lr: 0.1 })).toBeCloseTo(1 / 4 / 4, 10)
    expect(distance({ depth: 3 })).toBeCloseTo(1 / 4 / 4, 10)
    expect(distance({ act: 'gelu' })).toBeCloseTo(1 / 4, 10)
    expect(distance({})).toBe(0)
  })

  test('names the nearest first', () => {
    const tried = [
      { ...recipe, act: 'gelu' },
      { ...recipe, lr: 0.02 },
      { ...recipe, depth: 4 },
    ]
    expect(nearest(space, recipe, { tried, count: 2 }).map(({ index }) => index)).toEqual([1, 2])
  })
})
