import { expect, test } from 'vitest'
import { isNewEnough } from '#domain/exports.ts'
import { addMs } from '#protocol/units.ts'
import { T0 } from '../support/builders.ts'

test('an export that failed is not tried again at every call, be its campaign over or not', () => {
  const failed = { requestedAt: T0, builtAt: null, failedAt: addMs(T0, 300_000) }
  for (const isOver of [true, false]) {
    expect(isNewEnough(failed, { isOver, now: addMs(T0, 330_000) })).toBe(true)
    expect(isNewEnough(failed, { isOver, now: addMs(T0, 360_000) })).toBe(false)
  }
  const built = { requestedAt: T0, builtAt: addMs(T0, 1_000), failedAt: null }
  expect(isNewEnough(built, { isOver: true, now: addMs(T0, 2_000) })).toBe(false)
})
