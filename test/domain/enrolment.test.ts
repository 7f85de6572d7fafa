import { expect, test } from 'vitest'
import { termsOf, workOf } from '#domain/enrolment.ts'

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
