import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { boundsFrom } from '#domain/tolerance.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Fingerprint } from '#protocol/fingerprint.ts'
import type { Distance, Tolerance } from '#protocol/native.ts'
import type { RunReport } from '#protocol/report.ts'
import { runReport } from '#support/builders.ts'
import { validatorOf } from '#validators/registry.ts'
import { distanceOf } from '#validators/tolerance.ts'

const BOUNDS: Tolerance = { metric: 0.01, curve: 0.02, fingerprint: 0.1 }
const validator = validatorOf('onnx-cpu', BOUNDS)

const WEIGHTS: Fingerprint = [
  { norm: 10, projections: [3, -8, 2, 11] },
  { norm: 5, projections: [-4, 1, 6, -2] },
]
/** The same weights, each block moved by `by` along every projection. */
const moved = (by: number): Fingerprint =>
  WEIGHTS.map(({ norm, projections }) => ({ norm, projections: projections.map(x => x + by) }))

const native = (changes: Partial<RunReport> = {}): RunReport =>
  runReport({ engine: 'onnx-cpu', trace: [], fingerprint: WEIGHTS, ...changes })

const said = (run: RunReport) => {
  const output = validator.read(canonicalJson(run))
  if ('unreadable' in output) throw new Error(output.unreadable)
  return output
}
const same = (a: RunReport, b: RunReport): boolean => validator.same(said(a), said(b))
const curveOf = (train: number, val: number): RunReport['curve'] => [
  { update: 0, fuel: 0, train: 8, val: 8 },
  { update: 10, fuel: 1, train, val },
]
const withMetric = (value: number): RunReport =>
  native({ metric: { name: 'val_bpb', value }, curve: curveOf(3.2, value) })

describe('two native runs are the same', () => {
  test.each<[string, RunReport, RunReport, string | undefined]>([
    ['when nothing differs', native(), native(), undefined],
    ['within the bounds of the metric', withMetric(3.25), withMetric(3.2599), undefined],
    [
      'not when one claims 0.02 bits less',
      withMetric(3.25),
      withMetric(3.23),
      'the metrics are 0.0200 apart',
    ],
    [
      'not when the losses on the way differ',
      native({ curve: curveOf(3.2, 3.25) }),
      native({ curve: curveOf(3.23, 3.25) }),
      'the training losses are 0.0300 apart',
    ],
    [
      'not when they were told at other updates',
      native(),
      native({
        curve: [
          { update: 0, fuel: 0, train: 8, val: 8 },
          { update: 9, fuel: 1, train: 3.2, val: 3.25 },
        ],
      }),
      'ok against ok, or other steps',
    ],
    ['within the bounds of the weights', native(), native({ fingerprint: moved(0.7) }), undefined],
    ['not with other weights', native(), native({ fingerprint: moved(2) }), 'the weights are'],
    [
      'not with as many blocks of another model',
      native(),
      native({ fingerprint: WEIGHTS.slice(1) }),
      'ok against ok, or other steps',
    ],
    [
      'not when one of them diverged',
      native(),
      native({ status: 'diverged', metric: null, fingerprint: undefined, artifactSha256: null } as never),
      'ok against diverged',
    ],
    ['not in two classes', native(), native({ engine: 'onnx-cuda' }), 'ok against ok, or other steps'],
  ])('%s', (_, a, b, difference) => {
    expect(same(a, b)).toBe(difference === undefined)
    expect(same(b, a)).toBe(difference === undefined)
    if (difference !== undefined) expect(validator.whereTheyPart(said(a), said(b))).toContain(difference)
  })

  test('where both left all numbers behind', () => {
    const end = { status: 'diverged', metric: null, artifactSha256: null } as const
    const { fingerprint: _, ...diverged } = { ...native(), ...end }
    expect(same(diverged, { ...diverged, curve: [] })).toBe(true)
  })
})

const number = fc.double({ min: -20, max: 20, noNaN: true })
const fingerprints = fc.array(
  fc.record({
    norm: fc.double({ min: 0, max: 20, noNaN: true }),
    projections: fc.tuple(number, number, number, number),
  }),
  { minLength: 1, maxLength: 3 },
)
const runs = fc
  .tuple(fc.constantFrom(3, 3.005, 3.25), fc.constantFrom(3, 3.01, 4), fingerprints)
  .map(([value, train, fingerprint]) =>
    native({ metric: { name: 'val_bpb', value }, curve: curveOf(train, value), fingerprint }),
  )

test('sameness is symmetric, and every run is the same as itself', () => {
  fc.assert(
    fc.property(runs, runs, (a, b) => {
      expect(same(a, b)).toBe(same(b, a))
      expect(distanceOf(a, b)).toEqual(distanceOf(b, a))
      expect(same(a, a)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('tighter bounds never join what looser ones part', () => {
  fc.assert(
    fc.property(runs, runs, fc.double({ min: 0.01, max: 1, noNaN: true }), (a, b, share) => {
      const tight = {
        ...{ metric: share * BOUNDS.metric, curve: share * BOUNDS.curve },
        fingerprint: share * BOUNDS.fingerprint,
      }
      if (validatorOf('onnx-cpu', tight).same(said(a), said(b))) expect(same(a, b)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('exact classes take no bounds, and a tolerance is none without', () => {
  expect(validatorOf('onnx-wasm').name).toBe('exact')
  expect(() => validatorOf('onnx-webgpu')).toThrow('no bounds for engine class onnx-webgpu')
})

const distance = fc.double({ min: 0, max: 1, noNaN: true })
const distances: fc.Arbitrary<Distance> = fc.record({
  metric: distance,
  curve: distance,
  fingerprint: distance,
})

test('bounds are learnt from twenty pairs, hold all of them or are the manifest’s, and are never looser than those', () => {
  fc.assert(
    fc.property(fc.array(distances, { maxLength: 40 }), pairs => {
      const bounds = boundsFrom(BOUNDS, pairs)
      expect(bounds === undefined).toBe(pairs.length < 20)
      if (bounds === undefined) return
      for (const name of ['metric', 'curve', 'fingerprint'] as const) {
        expect(bounds[name]).toBeLessThanOrEqual(BOUNDS[name])
        expect(bounds[name]).toBeGreaterThanOrEqual(BOUNDS[name] / 2)
        const isHeld = pairs.every(pair => pair[name] <= bounds[name])
        expect(isHeld || bounds[name] === BOUNDS[name]).toBe(true)
      }
    }),
    { numRuns: 2_000 },
  )
})
