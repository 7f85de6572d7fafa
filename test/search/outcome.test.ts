import { expect, test } from 'vitest'
import { lastOutcomes, newReports, outcomeOf } from '#search/outcome.ts'

const runs = (units: number, over: number, statuses: string[], metrics: number[] = [], ordinal = 0) => ({
  ...{ ordinal, rung: 3, units, over, statuses, metrics },
})

test.each([
  ['two of three are over: nothing yet', runs(3, 2, ['ok', 'ok'], [1, 2]), undefined],
  ['without work units: nothing', runs(0, 0, []), undefined],
  ['the mean over the seeds', runs(2, 2, ['ok', 'ok'], [1, 2]), { state: 'finished', value: 1.5 }],
  ['one seed diverged', runs(2, 2, ['ok', 'diverged'], [1]), { state: 'diverged' }],
  ['one trapped', runs(2, 2, ['ok', 'trapped'], [1]), { state: 'failed' }],
  ['one unit failed without a result', runs(2, 2, ['ok'], [1]), { state: 'failed' }],
])('%s', (_, given, outcome) => {
  expect(outcomeOf(given)).toEqual(outcome)
})

test('what is known is not told again, what has changed is, in the order of the experiments', () => {
  const reports = [
    { ordinal: 0, outcome: { state: 'finished', value: 9 } },
    { ordinal: 1, outcome: { state: 'failed' } },
    { ordinal: 0, outcome: { state: 'finished', value: 1 } }, // the first one was retracted
  ] as const
  const last = lastOutcomes({ reports })
  expect(last.get(0)).toEqual({ state: 'finished', value: 1 })
  const now = [
    runs(1, 1, ['ok'], [4], 3),
    runs(1, 1, ['ok'], [1], 0),
    runs(1, 1, ['ok'], [2], 1),
    runs(1, 0, [], [], 2),
  ]
  expect(newReports(now, last)).toEqual([
    { ordinal: 1, outcome: { state: 'finished', value: 2 } },
    { ordinal: 3, outcome: { state: 'finished', value: 4 } },
  ])
})
