import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evenWindows, gapsBetween, joinSpans } from '#server/data/windows.ts'

test('windows begin at the start, end at the end, and are evenly spaced', () => {
  expect(evenWindows(100, 4, 10)).toEqual([
    { start: 0, end: 10 },
    { start: 30, end: 40 },
    { start: 60, end: 70 },
    { start: 90, end: 100 },
  ])
})

test('windows and gaps together are the whole text, once', () => {
  const shape = fc.record({ count: fc.integer({ min: 2, max: 20 }), bytes: fc.integer({ min: 1, max: 20 }) })
  fc.assert(
    fc.property(shape, fc.nat(500), ({ count, bytes }, spare) => {
      const total = count * bytes + spare
      const text = Uint8Array.from({ length: total }, (_, i) => i)
      const windows = evenWindows(total, count, bytes)
      const spans = [...windows, ...gapsBetween(total, windows)].sort((a, b) => a.start - b.start)
      expect(Buffer.compare(joinSpans(text, spans), text)).toBe(0)
    }),
    { numRuns: 1000 },
  )
})

test('windows that would overlap are refused', () => {
  expect(() => evenWindows(39, 4, 10)).toThrow('4 windows of 10 bytes do not fit in 39 bytes')
})
