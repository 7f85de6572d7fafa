import { expect, test } from 'vitest'
import { coolDownUntil, termsOf, workOf } from '#domain/enrolment.ts'
import { instant } from '#protocol/units.ts'

test.each([
  [16, { digits: 1, cost: 1 }],
  [17, { digits: 1, cost: 2 }],
  [4_000, { digits: 1, cost: 250 }],
  [255_999, { digits: 1, cost: 16_000 }],
  [256_000, { digits: 2, cost: 1_000 }],
  [10_000_000, { digits: 3, cost: 2_442 }],
  [1e12, { digits: 3, cost: 244_140_625 }],
])('%d iterations are asked for as %o', (work, terms) => {
  expect(termsOf(work)).toEqual(terms)
  expect(workOf(termsOf(work))).toBeGreaterThanOrEqual(work)
  expect(workOf(termsOf(work))).toBeLessThan(work + 16 ** terms.digits)
})

const DAY = 24 * 3600_000
test.each([
  ['nobody was excluded', [], undefined],
  ['one exclusion counts for a day', [0], 1],
  ['three count for four days from the last', [-3, -1, 0], 4],
  ['seven for no longer than thirty', [0, 0, 0, 0, 0, 0, 0], 30],
  ['what is over is over', [-2], undefined],
  ['those of thirty days ago are forgotten', [-31, -30, 0], 1],
])('a network cools down: %s', (_, daysAgo, days) => {
  const now = Date.UTC(2026, 5, 1)
  const at = daysAgo.map(day => instant(now + day * DAY))
  expect(coolDownUntil(at, instant(now))).toBe(days === undefined ? undefined : now + days * DAY)
})
