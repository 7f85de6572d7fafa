import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addRun,
  isRecord,
  nextToCheck,
  noScores,
  type Score,
  type Scores,
  scoreAfter,
  shownRows,
} from '#domain/records.ts'

const ROWS = 10

/** The scores of a campaign whose runs gave these metrics, and the means of its experiments. */
function scored(runs: readonly (readonly [string, number])[], goal: Scores['goal'] = 'minimize') {
  const experiments = new Map<string, Score>()
  let scores = noScores(goal)
  for (const [experimentId, metric] of runs) {
    const run = { experimentId, metric, before: experiments.get(experimentId) }
    scores = addRun(scores, run, ROWS)
    experiments.set(experimentId, scoreAfter(run))
  }
  return { scores, experiments }
}

const twenty = Array.from({ length: 20 }, (_, i) => [`e${i}`, 2 + i / 10] as const)

describe('with twenty experiments from 2.0 to 3.9', () => {
  const { scores, experiments } = scored(twenty)
  test.each([
    ['the best', 'new', 1.99, true],
    ['the tenth best', 'new', 2.89, true],
    ['the eleventh', 'new', 2.91, false],
    ['a run that spoils its leading experiment', 'e0', 5, false],
    ['a run that lifts its experiment into the best ten', 'e19', 1.5, true],
    ['one beyond all that was predicted', 'e19', 0, true],
  ])('%s is a record: %s', (_, experimentId, metric, expected) => {
    const run = { experimentId, metric, before: experiments.get(experimentId) }
    expect(isRecord(scores, run, ROWS)).toBe(expected)
  })
  test('nothing is a record where nobody asks for records', () => {
    expect(isRecord(scores, { experimentId: 'new', metric: 0, before: undefined }, 0)).toBe(false)
  })
})

test('the first run of a campaign is a record', () => {
  expect(isRecord(noScores('minimize'), { experimentId: 'e', metric: 9, before: undefined }, ROWS)).toBe(true)
})

test('a metric to be maximised is turned round', () => {
  const { scores } = scored(twenty, 'maximize')
  const record = (metric: number) =>
    isRecord(scores, { experimentId: 'new', metric, before: undefined }, ROWS)
  expect([record(4), record(3.01), record(2.99), record(1)]).toEqual([true, true, false, false])
})

test('a metric below the interval that 99 % of runs fall in is a record, also far down the board', () => {
  // A thousand runs of one experiment near 3 and eleven better ones: mean 2.99, sd 0.1, so the bound is 2.73.
  const many = Array.from({ length: 1000 }, (_, i) => ['bulk', 3 + ((i % 3) - 1) / 100] as const)
  const better = Array.from({ length: 11 }, (_, i) => [`better ${i}`, 2] as const)
  const { scores } = scored([...many, ...better])
  const sd = Math.sqrt(scores.m2 / (scores.n - 1))
  const bound = scores.mean - 2.58 * sd
  const at = (metric: number) => isRecord(scores, { experimentId: 'new', metric, before: undefined }, ROWS)
  expect([at(bound - 0.01), at(bound + 0.01)]).toEqual([true, false])
})

test('mean and variance are those of all runs, and the leaders those with the best means', () => {
  const runs = fc.array(
    fc.tuple(
      fc.nat(30).map(i => `e${i}`),
      fc.double({ min: 0, max: 10, noNaN: true }),
    ),
    { minLength: 2, maxLength: 60 },
  )
  fc.assert(
    fc.property(runs, all => {
      const unique = [...new Map(all).entries()]
      const { scores } = scored(unique)
      const mean = unique.reduce((sum, [, metric]) => sum + metric, 0) / unique.length
      const m2 = unique.reduce((sum, [, metric]) => sum + (metric - mean) ** 2, 0)
      expect(scores.mean).toBeCloseTo(mean, 9)
      expect(scores.m2).toBeCloseTo(m2, 7)
      const sorted = unique.map(([, metric]) => metric).sort((a, b) => a - b)
      expect(scores.best).toBe(sorted[0])
      expect(scores.leaders.map(leader => leader.mean)).toEqual(sorted.slice(0, ROWS + 1))
    }),
    { numRuns: 2_000 },
  )
})

describe('of the rows of a leaderboard', () => {
  test.each([
    ['all that are verified are shown', [0, 0, 0, 0], [0, 1, 2, 3]],
    ['what is not verified is left out among the first two', [1, 0, 2, 0, 1], [1, 3, 4]],
    ['nothing is shown where nothing is verified', [1, 2, 1], []],
  ])('%s', (_, unverified, expected) => {
    const rows = unverified.map((count, place) => ({ unverified: count, place }))
    expect(shownRows(rows, 2).map(({ place }) => place)).toEqual(expected)
  })
  test('all are shown where nobody asks for records', () => {
    expect(shownRows([{ unverified: 1 }], 0)).toHaveLength(1)
  })
})

describe('of what looks like a record the verifier checks', () => {
  const claim = (experimentId: string, ...metrics: number[]) => ({ experimentId, metrics })
  const candidates = [claim('a', 3), claim('b', 5, 1), claim('c', 2)]
  const begunOf = (...metrics: number[]) => metrics.map((metric, i) => claim(`begun ${i}`, metric))
  const validOf = (...runs: (readonly [string, number])[]) => scored(runs).scores
  test.each([
    ['the two best claims', 'minimize', begunOf(), [1, 2]],
    ['the best where one is being checked', 'minimize', begunOf(9), [1]],
    ['none where two are', 'minimize', begunOf(9, 8), []],
    ['the greatest where that is better', 'maximize', begunOf(), [1, 0]],
  ] as const)('%s', (_, goal, begun, expected) => {
    const terms = { scores: noScores(goal), begun, isVerifierIdle: false, leaderRows: 10 }
    expect(nextToCheck(candidates, terms).map(c => candidates.indexOf(c))).toEqual(expected)
  })
  test.each([
    ['all that would lead', begunOf(), validOf(), 10, [1, 2, 0]],
    ['never fewer than while it has work', begunOf(), validOf(), 1, [1, 2]],
    ['a better claim beside worse ones that are being checked', begunOf(9, 8, 7), validOf(), 2, [1, 2]],
    ['none beside better ones', begunOf(0, 0.5), validOf(), 2, []],
    ['those that fit between', begunOf(0, 1.5), validOf(), 3, [1]],
    ['none beside an equal one', begunOf(1, 1), validOf(), 2, []],
    ['those that lead beside what is valid', begunOf(9, 8), validOf(['v', 0], ['w', 1.5]), 3, [1]],
    ['another run of an experiment that leads', begunOf(9, 8), validOf(['b', 0], ['v', 4]), 2, [1, 2]],
  ] as const)('while it is idle, %s', (_, begun, scores, leaderRows, expected) => {
    const terms = { scores, begun, isVerifierIdle: true, leaderRows }
    expect(nextToCheck(candidates, terms).map(c => candidates.indexOf(c))).toEqual(expected)
  })
})
