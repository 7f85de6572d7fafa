// Activations of the reference model, each with what its gradient needs.

import { type Arithmetic, flush, type Numbers } from './arithmetic.ts'
import { num } from './parts.ts'

export interface Activated {
  readonly value: Numbers
  /** By the input; with a gate by gate and value, side by side. */
  readonly slope: Numbers
}

function gelu(A: Arithmetic, x: Numbers): Activated {
  const { round } = A
  const a = round(0.7978845608028654)
  const b = round(0.035677408136300125)
  const b3 = round(0.10703222440890037)
  const value = A.numbers(x.length)
  const slope = A.numbers(x.length)
  x.forEach((z, i) => {
    const square = round(z * z)
    const t = A.tanh(round(z * round(a + round(b * square))))
    const half = round(0.5 * z)
    const upper = round(1 + t)
    value[i] = round(half * upper)
    const bend = round(round(half * round(1 - round(t * t))) * round(a + round(b3 * square)))
    slope[i] = round(round(0.5 * upper) + bend)
  })
  return { value, slope }
}

function reluSquared(A: Arithmetic, x: Numbers): Activated {
  const { round } = A
  const value = A.numbers(x.length)
  const slope = A.numbers(x.length)
  x.forEach((z, i) => {
    const r = z < 0 ? 0 : z
    value[i] = round(r * r)
    slope[i] = round(r + r)
  })
  return { value, slope }
}

/** Rows of gate and value, `width` numbers each. */
function swiglu(A: Arithmetic, x: Numbers, width: number): Activated {
  const { round } = A
  const value = A.numbers(x.length / 2)
  const slope = A.numbers(x.length)
  value.forEach((_, i) => {
    const at = Math.floor(i / width) * 2 * width + (i % width)
    const [a, b] = [num(x, at), num(x, at + width)]
    const s = flush(A, round(1 / round(1 + A.exp(-a))))
    const silu = round(a * s)
    value[i] = round(silu * b)
    slope[at] = round(b * round(s * round(1 + round(a * round(1 - s)))))
    slope[at + width] = silu
  })
  return { value, slope }
}

/** @param width hidden units of a row */
export function activate(A: Arithmetic, kind: string, x: Numbers, width: number): Activated {
  if (kind === 'swiglu') return swiglu(A, x, width)
  return kind === 'relu2' ? reluSquared(A, x) : gelu(A, x)
}

/** The gradient of the activation's input, from that of its value. */
export function activateBack(A: Arithmetic, dy: Numbers, { slope }: Activated, width: number): Numbers {
  const gates = slope.length / dy.length
  return slope.map((d, i) => {
    const from = Math.floor(i / (gates * width)) * width + (i % width)
    return A.round(num(dy, from) * d)
  })
}

/** z becomes cap tanh(z / cap); the derivative. */
export function softcap(A: Arithmetic, z: Numbers, cap: number): Numbers {
  const { round } = A
  const inverse = round(1 / round(cap))
  const slope = A.numbers(z.length)
  z.forEach((value, i) => {
    const t = A.tanh(round(value * inverse))
    z[i] = round(t * round(cap))
    slope[i] = round(1 - round(t * t))
  })
  return slope
}
