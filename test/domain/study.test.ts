import { expect, test } from 'vitest'
import { compareRuns } from '#domain/study.ts'

const run = (metricValue: number | null, digest = 'a') => ({
  digest,
  status: metricValue === null ? 'diverged' : 'ok',
  metricValue,
})

test('in an exact class every bit counts, and nothing else', () => {
  expect(compareRuns('wasm', run(1), [run(1)])).toEqual({ agreement: 'agrees', metric: null })
  expect(compareRuns('wasm', run(1, 'b'), [run(1)])).toMatchObject({ agreement: 'differs' })
  expect(compareRuns('onnx-wasm', run(null), [])).toMatchObject({ agreement: 'waiting' })
})

test.each([
  [1.02, 'agrees'],
  [0.98, 'agrees'],
  [1.2, 'differs'],
] as const)('with a tolerance a claim of %f beside 0.99, 1, 1.01: %s', (claim, agreement) => {
  // mean 1, sd 0.01, t(2) = 4.303: one more run lies within 0.0497 of the mean
  const compared = compareRuns('onnx-cpu', run(claim, 'b'), [run(0.99), run(1), run(1.01)])
  expect(compared.agreement).toBe(agreement)
  expect(compared.metric).toMatchObject({ n: 3, mean: 1 })
  expect(compared.metric?.ci95).toBeCloseTo(0.0248, 3)
})

test('what diverged agrees with what diverged, and with nothing else', () => {
  expect(compareRuns('onnx-cuda', run(null), [run(null), run(null)]).agreement).toBe('agrees')
  expect(compareRuns('onnx-cuda', run(1), [run(1), run(null)]).agreement).toBe('differs')
  expect(compareRuns('onnx-cuda', run(null), [run(1)]).agreement).toBe('differs')
})
