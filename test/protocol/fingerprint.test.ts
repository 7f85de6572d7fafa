import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Fingerprint, fingerprintOf } from '#protocol/fingerprint.ts'
import { FINGERPRINT_BLOCKS_MAX } from '#protocol/limits.ts'

const PREFACE_BYTES = 320

/** An artifact as kernels lay it out: a header with the number of parameters in word 2, more preface, the parameters. */
function artifactOf(parameters: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(PREFACE_BYTES + 4 * parameters.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, parameters.length, true)
  parameters.forEach((value, i) => {
    view.setFloat32(PREFACE_BYTES + 4 * i, value, true)
  })
  return bytes
}

const parameters = fc.array(fc.float({ noNaN: true, min: -8, max: 8 }), { minLength: 1, maxLength: 200 })
const seeds = fc.integer({ min: 0, max: 2 ** 48 - 1 })

const squares = (values: readonly number[]): number => values.reduce((sum, x) => sum + x ** 2, 0)
const norms = (fingerprint: Fingerprint | undefined): readonly number[] =>
  (fingerprint ?? []).map(block => block.norm)

test('norms are those of the parameters, cut into at most sixteen blocks, whatever stands before them', () => {
  fc.assert(
    fc.property(parameters, seeds, (values, seed) => {
      const found = norms(fingerprintOf(artifactOf(values), seed))
      expect(found.length).toBeLessThanOrEqual(FINGERPRINT_BLOCKS_MAX)
      expect(squares(found)).toBeCloseTo(squares(values.map(Math.fround)), 6)
    }),
  )
})

test('the same bytes give the same numbers wherever they lie, and other seeds other projections', () => {
  fc.assert(
    fc.property(parameters, seeds, (values, seed) => {
      const artifact = artifactOf(values)
      const moved = new Uint8Array(artifact.length + 3)
      moved.set(artifact, 3)
      expect(fingerprintOf(moved.subarray(3), seed)).toEqual(fingerprintOf(artifact, seed))
    }),
  )
  const artifact = artifactOf(Array.from({ length: 100 }, (_, i) => 1 + i))
  const found = [1, 2, 2 ** 32 + 1, 2 ** 40 + 1].map(seed => JSON.stringify(fingerprintOf(artifact, seed)))
  expect(new Set(found).size).toBe(found.length)
})

test('squared differences of projections are the squared distance of the weights within 20 %, in the mean over 500 seeds', () => {
  const a = Array.from({ length: 400 }, (_, i) => Math.sin(i))
  const b = a.map((value, i) => value + 0.1 * Math.cos(3 * i))
  const distance = squares(a.map((value, i) => Math.fround(value) - Math.fround(b[i] ?? 0)))
  const projections = (values: readonly number[], seed: number): number[] =>
    (fingerprintOf(artifactOf(values), seed) ?? []).flatMap(block => block.projections)
  const found = Array.from({ length: 500 }, (_, seed) => {
    const other = projections(b, seed)
    const sums = squares(projections(a, seed).map((value, i) => value - (other[i] ?? 0)))
    return sums / 4 // projections of each block
  })
  const mean = found.reduce((sum, x) => sum + x, 0) / found.length
  expect(Math.abs(mean / distance - 1)).toBeLessThan(0.2)
})

test.each([
  ['no header', new Uint8Array(63)],
  ['no parameters', artifactOf([])],
  ['fewer bytes than its header says', artifactOf([1, 2, 3]).subarray(0, PREFACE_BYTES - 255)],
  ['a parameter that is no number', artifactOf([1, Number.NaN])],
  ['an infinite parameter', artifactOf([Number.POSITIVE_INFINITY])],
])('there is none of bytes with %s', (_, bytes) => {
  expect(fingerprintOf(bytes, 1)).toBeUndefined()
})
