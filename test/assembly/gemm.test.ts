import { beforeAll, describe, expect, test } from 'vitest'
import { exact } from './arithmetic.ts'
import { product, transposed, view } from './parts.ts'
import { openProbe, type Probe } from './probe.ts'

const ORDERS = { NN: 0, NT: 1, TN: 2 } as const
const TRIANGLES = { WHOLE: 0, LOWER_OUT: 1, LOWER_A: 2, UPPER_A: 3 } as const

let probe: Probe
beforeAll(async () => {
  probe = await openProbe()
})

let state = 12345
const random = (): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32 - 0.5
}
const fill = (count: number, value: (i: number) => number = random): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => value(i))

interface Case {
  readonly order: keyof typeof ORDERS
  readonly m: number
  readonly n: number
  readonly k: number
  readonly accumulate: boolean
  readonly triangle?: keyof typeof TRIANGLES
  readonly value?: (i: number) => number
}

/** The kernel's product and the specification's, as bits, with rows further apart than they are long. */
function both({
  order,
  m,
  n,
  k,
  accumulate,
  triangle = 'WHOLE',
  value = random,
}: Case): [Uint32Array, Uint32Array] {
  const strideA = (order === 'TN' ? m : k) + 3
  const strideB = (order === 'NT' ? k : n) + 1
  const strideC = n + 2
  const a = fill((order === 'TN' ? k : m) * strideA, value)
  const b = fill((order === 'NT' ? n : k) * strideB, value)
  const c = fill(m * strideC)
  if (triangle === 'LOWER_A') for (let i = 0; i < m; i++) a.fill(0, i * strideA + i + 1, i * strideA + k)
  if (triangle === 'UPPER_A') for (let p = 0; p < k; p++) a.fill(0, p * strideA + p + 1, p * strideA + m)
  const at = probe.give(c)
  probe.gemm(
    ORDERS[order],
    TRIANGLES[triangle],
    m,
    n,
    k,
    probe.give(a),
    strideA,
    probe.give(b),
    strideB,
    at,
    strideC,
    accumulate ? 1 : 0,
  )
  const got = probe.floats(at, c.length)
  const wanted = c.slice()
  if (!accumulate) for (let i = 0; i < m; i++) wanted.fill(0, i * strideC, i * strideC + n)
  const viewA = order === 'TN' ? transposed(view(a, strideA)) : view(a, strideA)
  const viewB = order === 'NT' ? transposed(view(b, strideB)) : view(b, strideB)
  product(exact, view(wanted, strideC), viewA, viewB, [m, n, k])
  if (triangle === 'LOWER_OUT') forgetUpper([got, wanted], m, n, strideC)
  return [canonical(got), canonical(wanted)]
}

/** What lies above the diagonal is not promised. */
function forgetUpper(matrices: readonly Float32Array[], m: number, n: number, stride: number): void {
  for (const matrix of matrices)
    for (let i = 0; i < m; i++) matrix.fill(0, i * stride + Math.min(i + 1, n), i * stride + n)
}

/** Bits, with every NaN alike: their payloads are the engine's affair. */
function canonical(numbers: Float32Array): Uint32Array {
  const bits = new Uint32Array(numbers.buffer.slice(0))
  return bits.map((word, i) => (Number.isNaN(numbers[i]) ? 0x7fc00000 : word))
}

const orders = Object.keys(ORDERS) as (keyof typeof ORDERS)[]

describe.each(orders)('the product %s equals the scalar specification bit for bit', order => {
  const sizes = [1, 2, 3, 4, 5, 7, 15, 16, 17, 33]

  test.each([false, true])('on every edge shape (accumulate: %s)', accumulate => {
    for (const m of sizes)
      for (const n of sizes)
        for (const k of [1, 3, 4, 6, 17]) {
          const [got, wanted] = both({ order, m, n, k, accumulate })
          expect(got, `${m} x ${n} x ${k}`).toEqual(wanted)
        }
  })

  test.each([
    [130, 20, 9],
    [5, 530, 6],
    [9, 17, 1030],
    [129, 513, 5],
  ])('across block boundaries: %i x %i x %i', (m, n, k) => {
    const [got, wanted] = both({ order, m, n, k, accumulate: true })
    expect(got).toEqual(wanted)
  })

  test('with denormals, negative zeros and values that overflow to infinity', () => {
    const extremes = [1e-38, -1e-38, 1e-45, -0, 0, 3e38, -3e38, 1, -1e-20, Number.POSITIVE_INFINITY]
    for (const accumulate of [false, true]) {
      const value = () => extremes[Math.floor((random() + 0.5) * extremes.length)] ?? 0
      const [got, wanted] = both({ order, m: 13, n: 21, k: 11, accumulate, value })
      expect(got).toEqual(wanted)
    }
  })
})

describe('triangular products', () => {
  test.each([1, 4, 5, 18, 33, 64])('skip only what is zero or not asked for (T = %i)', size => {
    const square = { m: size, n: size, k: 3, accumulate: false }
    const shapes: Case[] = [
      { ...square, order: 'NT', triangle: 'LOWER_OUT' },
      { order: 'NN', m: size, n: 6, k: size, accumulate: false, triangle: 'LOWER_A' },
      { order: 'TN', m: size, n: 6, k: size, accumulate: false, triangle: 'UPPER_A' },
    ]
    for (const shape of shapes) {
      const [got, wanted] = both(shape)
      expect(got, shape.triangle).toEqual(wanted)
    }
  })
})
