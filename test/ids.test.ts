import { expect, test } from 'vitest'
import { instant } from '#protocol/units.ts'
import { secureIds } from '#server/ids.ts'

test('ids of one moment differ, and are in the order in which they were made', () => {
  const ids = Array.from({ length: 2_000 }, () => secureIds.workUnit(instant(0)))
  expect(new Set(ids).size).toBe(ids.length)
  const steps = ids.slice(1).filter((id, i) => id < String(ids[i]))
  expect(steps.length).toBeLessThanOrEqual(1) // where the count goes round
  expect(new Set(ids.map(id => id.at(-1))).size).toBe(32)
})
