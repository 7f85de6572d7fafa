import { describe, expect, test } from 'vitest'
import { PRUNERS } from '#protocol/space.ts'
import type { History } from '#search/history.ts'
import { type Climber, climbersOf, goingOn } from '#search/scheduler.ts'

/** `3 5` reached two rungs with these losses; `*` is on its way to the next; `x` is a failure. */
const climbers = (...texts: string[]): Climber[] =>
  texts.map((text, ordinal) => ({
    ordinal,
    isRunning: text.endsWith('*'),
    losses: text
      .replace('*', '')
      .split(' ')
      .filter(word => word !== '')
      .map(word => (word === 'x' ? Number.NaN : Number(word))),
  }))

describe('asha', () => {
  test.each([
    ['nobody is among the best third of two', ['1', '2'], []],
    ['the best of three goes on', ['3', '1', '2'], [1]],
    ['not twice', ['3', '1*', '2'], []],
    ['a better one that comes later goes on too when there is room', ['3', '1 9', '2', '5', '0', '6'], [4]],
    [
      'the best by then do not wait for those before them',
      ['3', '1 9', '2', '5', '0.5*', '6', '0.7', '7', '8'],
      [6],
    ],
    ['the highest rung first', ['1 4', '2 3', '3 5', '4', '5', '6', '7', '8', '9', '0'], [1, 9]],
    ['a failure fills a rung but never goes on', ['x', 'x', '1'], [2]],
    ['not even when it is all there is', ['x', 'x', 'x'], []],
    ['who ran to the end is through', ['1 1 1 1', '2', '3'], []],
    ['ties go by age', ['1', '1', '1'], [0]],
  ])('%s', (_, texts, ordinals) => {
    expect(goingOn('asha', climbers(...texts))).toEqual(ordinals)
  })
})

describe('median', () => {
  test.each([
    ['all go on until five have arrived', ['9', '1', '8'], [1, 2, 0]],
    ['then the better half, with the median', ['9', '1', '8', '2', '5'], [1, 3, 4]],
    ['failures count among the worse', ['x', '1', 'x', '2', 'x'], [1, 3]],
  ])('%s', (_, texts, ordinals) => {
    expect(goingOn('median', climbers(...texts))).toEqual(ordinals)
  })
})

test('none lets all go on that did not fail', () => {
  expect(goingOn('none', climbers('2', 'x', '1', '5*'))).toEqual([2, 0])
})

test('hyperband has a bracket that stops nobody, and gives each bracket about the same fuel', () => {
  const resting = (losses: readonly number[]) =>
    new Set(
      goingOn(
        'hyperband',
        // All the same but for age: of a bracket that stops, one in three goes on.
        Array.from({ length: 3000 }, (_, ordinal) => ({ ordinal, losses, isRunning: false })),
      ),
    ).size
  // Shares of the brackets 1/4 : 1/9 : 1/18 : 1/27, of which the first stops two thirds at the first rung.
  const sum = 1 / 4 + 1 / 9 + 1 / 18 + 1 / 27
  expect(resting([1]) / 3000).toBeCloseTo(1 - (2 / 3) * (1 / 4 / sum), 2)
  expect(resting([1, 1, 1]) / 3000).toBeCloseTo((1 / 3) * (1 - 1 / 27 / sum) + 1 / 27 / sum, 2)
})

test.each(PRUNERS)('%s decides again what it decided, and nothing new, once those go on', pruner => {
  const resting = climbers(...Array.from({ length: 50 }, (_, i) => String((i * 37) % 50)))
  const chosen = new Set(goingOn(pruner, resting))
  expect(chosen.size).toBeGreaterThan(0)
  const running = resting.map(climber => ({ ...climber, isRunning: chosen.has(climber.ordinal) }))
  expect(goingOn(pruner, running)).toEqual([])
})

test('a history puts trials on rungs: failures on the one they were on their way to, pending ones on none', () => {
  const history: History = {
    trials: [0, 1, 2, 3, 4].map(() => ({ recipe: {}, asked: 0 })),
    reports: [
      { ordinal: 0, outcome: { state: 'partial', rung: 0, value: 3 } },
      { ordinal: 1, outcome: { state: 'partial', rung: 0, value: 2 } },
      { ordinal: 2, outcome: { state: 'diverged' } },
      { ordinal: 1, outcome: { state: 'failed' } },
      { ordinal: 0, outcome: { state: 'partial', rung: 1, value: 1 } },
      { ordinal: 4, outcome: { state: 'finished', value: 5 } },
    ],
  }
  expect(climbersOf(history, 'maximize', new Set([0]))).toEqual([
    { ordinal: 0, losses: [-3, -1], isRunning: true },
    { ordinal: 1, losses: [-2, Number.NaN], isRunning: false },
    { ordinal: 2, losses: [Number.NaN], isRunning: false },
    { ordinal: 3, losses: [], isRunning: true },
    { ordinal: 4, losses: [Number.NaN, Number.NaN, Number.NaN, -5], isRunning: false },
  ])
})
