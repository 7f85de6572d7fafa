import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '#protocol/canonical.ts'
import type { RunReport } from '#protocol/report.ts'
import { runReport, sha256 } from '#support/builders.ts'
import { exact } from '#validators/exact.ts'
import type { ReadOutput } from '#validators/output.ts'
import { validatorOf } from '#validators/registry.ts'

const readable = (run: RunReport): ReadOutput => {
  const output = exact.read(canonicalJson(run))
  if ('unreadable' in output) throw new Error(output.unreadable)
  return output
}
const withMetric = (value: number): RunReport => runReport({ metric: { name: 'val_bpb', value } })

test('two reports are the same when every byte is', () => {
  expect(exact.same(readable(runReport()), readable(runReport()))).toBe(true)
  expect(exact.same(readable(runReport()), readable(withMetric(3.25 + 2 ** -50)))).toBe(false)
})

test('sameness is symmetric and transitive', () => {
  const some = fc.constantFrom(1, 2, 3).map(value => readable(withMetric(value)))
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      expect(exact.same(a, b)).toBe(exact.same(b, a))
      if (exact.same(a, b) && exact.same(b, c)) expect(exact.same(a, c)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['not JSON', '{'],
  ['no report', '{}'],
  ['a metric of a diverged run', canonicalJson({ ...runReport(), status: 'diverged' })],
  ['an unknown field', canonicalJson({ ...runReport(), cpuMs: 1 })],
  ['a finished run without its marks', canonicalJson({ ...runReport(), trace: [] })],
])('%s is unreadable, for ever', (_, text) => {
  expect(exact.read(text)).toMatchObject({ unreadable: expect.stringMatching(/^report/) })
})

describe('where two runs part', () => {
  const marks = (different: number) =>
    runReport().trace.map((mark, i) => (i >= different ? sha256(`${mark} otherwise`) : mark))
  test.each([
    [runReport({ trace: marks(3) }), 'the traces differ from mark 4 of 8'],
    [runReport({ trace: marks(0) }), 'the traces differ from mark 1 of 8'],
    [
      runReport({ status: 'trapped', metric: null, trace: marks(8).slice(0, 5) }),
      'the traces differ from mark 6 of 8',
    ],
    [runReport({ status: 'diverged', metric: null }), 'ok against diverged'],
    [runReport({ fuelUsed: 1 }), 'equal traces, different outputs'],
  ])('%#: %o', (other, sentence) => {
    expect(exact.whereTheyPart(readable(runReport()), readable(other))).toBe(sentence)
    expect(exact.whereTheyPart(readable(other), readable(runReport()))).toContain(
      sentence.includes('against') ? 'against' : sentence,
    )
  })
})

test('every engine class of this server has a validator, and another has none', () => {
  expect(validatorOf('wasm').name).toBe('exact')
  expect(() => validatorOf('abacus')).toThrow('no validator for engine class abacus')
})
