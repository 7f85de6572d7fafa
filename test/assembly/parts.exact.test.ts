// Each function of the library beside its scalar specification, bit for bit, on random numbers of many sizes and on extreme
// ones: denormals, zeros of both signs, infinities, numbers that overflow.

import { beforeAll, describe, expect, test } from 'vitest'
import { activate, activateBack, softcap } from './activations.ts'
import { exact, flush, type Numbers } from './arithmetic.ts'
import { attend, attendBack, normaliseRow, normaliseRowBack, rotate, rotation } from './attention.ts'
import { crossEntropy, normalise, normaliseBack, num } from './parts.ts'
import { openProbe, type Probe } from './probe.ts'

let probe: Probe
beforeAll(async () => {
  probe = await openProbe()
})

const r = Math.fround
let state = 77
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32 - 0.5
}
const EXTREMES = [1e-38, -1e-38, 1e-45, -0, 0, 3e38, -3e38, 1, -1e-20, 1e-31, 90, -90, Infinity, -Infinity]
const ordinary = (): number => 4 * random()
const extreme = (): number => EXTREMES[Math.floor((random() + 0.5) * EXTREMES.length)] ?? 0
const fill = (count: number, value: () => number): Float32Array => Float32Array.from({ length: count }, value)

/** Bits, with every NaN alike: their payloads are the engine's affair. */
function bits(numbers: Numbers): Uint32Array {
  const floats = Float32Array.from(numbers)
  return new Uint32Array(floats.buffer).map((word, i) => (Number.isNaN(floats[i]) ? 0x7fc00000 : word))
}

/** What lies at the addresses of the kernel is what the specification says. */
function same(pairs: readonly (readonly [number, Numbers])[]): void {
  for (const [at, wanted] of pairs) expect(bits(probe.floats(at, wanted.length))).toEqual(bits(wanted))
}

const VALUES = [
  ['ordinary', ordinary],
  ['extreme', extreme],
] as const
const WIDTHS = [8, 16, 24, 40, 128]

describe.each(VALUES)('with %s numbers', (kind, value) => {
  test.each(WIDTHS)('norms of rows of %i, forth and back', D => {
    for (const rms of [false, true]) {
      const [rows, offset] = [3, 0]
      const [x, dy, parameters] = [fill(rows * D, value), fill(rows * D, value), fill(2 * D, ordinary)]
      const [dx, gradients] = [fill(rows * D, ordinary), fill(2 * D, ordinary)]
      const place = { offset, D, rms }
      const wanted = normalise(exact, x, parameters, place)
      const at = { x: probe.give(x), p: probe.give(parameters), out: probe.take(4 * rows * D) }
      const stats = probe.take(8 * rows)
      if (rms) probe.rmsNorm(at.out, at.x, at.p, stats, rows, D)
      else probe.layerNorm(at.out, at.x, at.p, at.p + 4 * D, stats, rows, D)
      same([[at.out, wanted.out]])
      const [dxAt, gAt, dyAt] = [probe.give(dx), probe.give(gradients), probe.give(dy)]
      normaliseBack(exact, { dx, dy, x, stats: wanted, parameters, gradients, ...place })
      if (rms) probe.rmsNormBackward(dxAt, gAt, dyAt, at.x, at.p, stats, rows, D)
      else probe.layerNormBackward(dxAt, gAt, gAt + 4 * D, dyAt, at.x, at.p, stats, rows, D)
      same([
        [dxAt, dx],
        [gAt, gradients],
      ])
    }
  })

  test.each(WIDTHS)('heads of %i: normalised and turned, forth and back', size => {
    const [x, dy] = [fill(size, value), fill(size, value)]
    const [xAt, dyAt] = [probe.give(x), probe.give(dy)]
    const T = 20
    const table = probe.take(4 * T * size)
    probe.fillRotations(table, T, size)
    const rstd = normaliseRow(exact, x)
    expect(probe.normaliseRow(xAt, size)).toBe(rstd)
    normaliseRowBack(exact, dy, x, rstd)
    probe.normaliseRowBackward(dyAt, xAt, rstd, size)
    rotate(exact, x, 13, 1)
    probe.rotate(xAt, table, 13, T, size)
    rotate(exact, dy, 19, -1)
    probe.rotateBack(dyAt, table, 19, T, size)
    same([
      [xAt, x],
      [dyAt, dy],
    ])
  })

  test.each(['gelu', 'relu2', 'swiglu'])('%s, its derivative and its gradient', activation => {
    const [rows, width] = [3, 40]
    const ins = activation === 'swiglu' ? 2 * width : width
    const [x, dy] = [fill(rows * ins, value), fill(rows * width, value)]
    const wanted = activate(exact, activation, x, width)
    const [at, out, dyAt] = [probe.give(x), probe.take(4 * rows * width), probe.give(dy)]
    if (activation === 'gelu') probe.gelu(out, at, rows * width)
    else if (activation === 'relu2') probe.reluSquared(out, at, rows * width)
    else probe.swiglu(out, at, rows, width)
    same([
      [out, wanted.value],
      [at, wanted.slope],
    ])
    if (activation !== 'swiglu') return
    const dx = probe.take(4 * rows * ins)
    probe.swigluBackward(dx, dyAt, at, rows, width)
    same([[dx, activateBack(exact, dy, wanted, width)]])
  })

  test('the softcap and its gradient', () => {
    const [z, dz] = [fill(48, value), fill(48, value)]
    const [at, slopes, dzAt] = [probe.give(z), probe.take(4 * 48), probe.give(dz)]
    const slope = softcap(exact, z, 15)
    probe.softcap(at, slopes, 48, 15)
    probe.softcapBackward(dzAt, slopes, 48)
    same([
      [at, z],
      [slopes, slope],
      [dzAt, dz.map((d, i) => flush(exact, r(d * num(slope, i))))],
    ])
  })

  test.each([1, 2, 7, 8, 9, 65, 256])('the loss over %i symbols and its gradient', symbols => {
    const padded = Math.ceil(symbols / 8) * 8
    const row = fill(symbols, kind === 'extreme' ? () => Math.min(3e38, Math.max(-3e38, extreme())) : value)
    const at = probe.give(Float32Array.from({ length: padded }, (_, i) => row[i] ?? 7))
    const target = symbols >> 1
    const loss = probe.crossEntropy(at, symbols, padded, target, r(0.01))
    expect(loss).toBe(crossEntropy(exact, row, target, r(0.01)))
    same([[at, row]])
  })

  test('AdamW and SGD', () => {
    const n = 64
    const [b1, b2, rate, c, scale, keep] = [r(0.9), r(0.99), r(0.003), r(1.7), r(0.4), r(0.9999)]
    const [p, g, m, v] = [fill(n, ordinary), fill(n, value), fill(n, value), fill(n, value).map(Math.abs)]
    const at = [p, g, m, v].map(probe.give) as [number, number, number, number]
    probe.adamw(...at, n, keep, probe.give(Float32Array.from([scale, b1, b2, rate, c])))
    const sgdAt = [p, g, m].map(probe.give) as [number, number, number]
    probe.sgd(...sgdAt, n, scale, b1, rate, keep)
    const [sp, sm] = [p.slice(), m.slice()]
    p.forEach((_, i) => {
      const d = r(num(g, i) * scale)
      m[i] = flush(exact, r(r(num(m, i) * b1) + r(d * r(1 - b1))))
      v[i] = flush(exact, r(r(num(v, i) * b2) + r(r(d * d) * r(1 - b2))))
      const step = r(r(rate * num(m, i)) / r(r(r(Math.sqrt(num(v, i))) * c) + r(1e-8)))
      p[i] = r(r(num(p, i) * keep) - step)
      sm[i] = flush(exact, r(r(num(sm, i) * b1) + d))
      sp[i] = r(r(num(sp, i) * keep) - r(rate * num(sm, i)))
    })
    same([
      [at[0], p],
      [at[2], m],
      [at[3], v],
      [sgdAt[0], sp],
      [sgdAt[2], sm],
    ])
  })
})

describe('attention of one head, forth and back, where only a band is seen', () => {
  const shapes = [1, 3, 8, 17, 37, 64].flatMap(T =>
    [1, 5, 16].flatMap(size => [...new Set([1, 2, 9, Math.ceil(T / 2), T])].map(W => ({ T, size, W }))),
  )

  test.each(shapes)('T $T, size $size, window $W', ({ T, size, W }) => {
    const D = size + 3
    const [column, row] = [0, 0]
    const qkv = fill(T * 3 * D, ordinary)
    const [mixed, dMixed, dQkv] = [
      new Float32Array(T * D),
      fill(T * D, ordinary),
      new Float32Array(T * 3 * D),
    ]
    const head = { qkv, row, column, T, D, size, window: W }
    const probabilities = attend(exact, { ...head, mixed })
    attendBack(exact, { ...head, dQkv, dMixed, probabilities })
    const stride = Math.ceil(T / 8) * 8
    const heads = (at: number): number => {
      const record = probe.take(20)
      new Uint32Array(probe.memory.buffer, record, 5).set([at, at + 4 * D, at + 8 * D, 3 * D, size])
      return record
    }
    const [pAt, slopes] = [probe.give(fill(T * stride, ordinary)), probe.give(fill(T * stride, ordinary))]
    const [out, dOut] = [probe.take(4 * T * D), probe.give(dMixed)]
    const [x, d] = [probe.give(qkv), probe.take(4 * T * 3 * D)]
    probe.attend(out, D, pAt, stride, T, W, heads(x))
    probe.attendBackward(heads(d), dOut, D, heads(x), pAt, slopes, stride, T, W)
    same([
      [out, mixed],
      [d, dQkv],
    ])
  })
})

test('rotations differ from the f64 reference by < 1e-7', () => {
  for (const size of [8, 64])
    for (let t = 0; t < 256; t += 5)
      for (let i = 0; i < size / 2; i++) {
        const angle = t * 10_000 ** (-(2 * i) / size)
        const { c, s } = rotation(exact, t, i, size)
        expect(Math.abs(c - Math.cos(angle))).toBeLessThan(1e-7)
        expect(Math.abs(s - Math.sin(angle))).toBeLessThan(1e-7)
      }
})
