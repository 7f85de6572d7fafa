import { beforeAll, describe, expect, test } from 'vitest'
import { below, cosPi, exact, fillNormal, randomStream } from './arithmetic.ts'
import { openProbe, type Probe } from './probe.ts'

let probe: Probe
beforeAll(async () => {
  probe = await openProbe()
})

const spread = (from: number, to: number, count = 40_000): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1))

/** f of each number, by the kernel. */
function apply(name: 'exp' | 'log' | 'tanh', x: Float32Array): Float32Array {
  const at = probe.give(x)
  probe[name](at, x.length)
  return probe.floats(at, x.length)
}

function worst(x: Float32Array, got: Float32Array, error: (x: number, got: number) => number): number {
  return x.reduce((most, value, i) => Math.max(most, error(value, got[i] ?? Number.NaN)), 0)
}

const relative = (f: (x: number) => number) => (x: number, got: number) => Math.abs(got / f(x) - 1)

describe('elementary functions', () => {
  test.each([
    [-86, 88],
    [-1, 1],
  ])('exp differs from the f64 reference by < 1.2e-7 on %i to %i', (from, to) => {
    const x = spread(from, to)
    expect(worst(x, apply('exp', x), relative(Math.exp))).toBeLessThan(1.2e-7)
  })

  test('exp is 0 below -86 and constant above 88, and what is not finite becomes NaN', () => {
    const x = Float32Array.from([
      -86.01,
      -1e4,
      -3e38,
      Number.NEGATIVE_INFINITY,
      88.5,
      1e30,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ])
    const got = apply('exp', x)
    const top = exact.exp(88)
    expect([...got.subarray(0, 6)]).toEqual([0, 0, 0, 0, top, top])
    expect([...got.subarray(6)]).toEqual([Number.NaN, Number.NaN])
  })

  test('log differs from the f64 reference by < 1.2e-7, relative, and by < 1e-7, absolute, near 1', () => {
    const far = spread(2, 5000)
    expect(worst(far, apply('log', far), relative(Math.log))).toBeLessThan(1.2e-7)
    const small = spread(1.2e-38, 0.5)
    expect(worst(small, apply('log', small), relative(Math.log))).toBeLessThan(1.2e-7)
    const near = spread(0.5, 2)
    expect(worst(near, apply('log', near), (x, got) => Math.abs(got - Math.log(x)))).toBeLessThan(1e-7)
  })

  test('the log of NaN and infinity is NaN, so that divergence shows', () => {
    const got = apply('log', Float32Array.from([Number.NaN, Number.POSITIVE_INFINITY, 1, 1]))
    expect([...got]).toEqual([Number.NaN, Number.NaN, 0, 0])
  })

  test.each([
    [-12, 12],
    [1e-9, 0.01],
  ])('tanh differs from the f64 reference by < 5e-7 on %s to %s', (from, to) => {
    const x = spread(from, to)
    expect(worst(x, apply('tanh', x), relative(Math.tanh))).toBeLessThan(5e-7)
  })

  test('each equals its scalar specification bit for bit', () => {
    const x = spread(-90, 90, 4_000)
    expect(apply('exp', x)).toEqual(x.map(exact.exp))
    expect(apply('tanh', x)).toEqual(x.map(exact.tanh))
    const positive = spread(1e-30, 300, 4_000)
    expect(apply('log', positive)).toEqual(positive.map(exact.log))
    expect(probe.logScalar(3.5)).toBe(exact.log(3.5))
  })

  test('cos(pi x) differs from the f64 reference by < 1e-14 and equals its specification', () => {
    for (let i = 0; i <= 1000; i++) {
      expect(Math.abs(probe.cosPi(i / 1000) - Math.cos((Math.PI * i) / 1000))).toBeLessThan(1e-14)
      expect(probe.cosPi(i / 1000)).toBe(cosPi(i / 1000))
    }
  })
})

describe('random numbers', () => {
  test('equal SplitMix64 in big integers, stream by stream', () => {
    const state = probe.take(16)
    for (const [seed, index] of [
      [0, 0],
      [1, 1],
      [2 ** 48 - 1, 1],
    ] as const) {
      probe.stream(state, BigInt(seed), BigInt(index))
      const next = randomStream(seed, index)
      const wanted = Array.from({ length: 100 }, () => below(next, 1_003_821))
      expect(wanted.map(() => probe.below(state, 1_003_821) >>> 0)).toEqual(wanted)
    }
  })

  test('normal numbers equal their specification, and have the moments of N(0, 0.02)', () => {
    const state = probe.take(16)
    const out = probe.take(4 * 40_001)
    probe.stream(state, 7n, 0n)
    probe.fillNormal(state, out, 40_001, 0.02)
    const wanted = new Float32Array(40_001)
    fillNormal(randomStream(7, 0), wanted, 0.02)
    const got = probe.floats(out, 40_001)
    expect(got).toEqual(wanted)
    const moment = (power: number) => got.reduce((sum, x) => sum + (x / 0.02) ** power, 0) / got.length
    expect(Math.abs(moment(1))).toBeLessThan(0.02)
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.03)
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.2)
  })
})
