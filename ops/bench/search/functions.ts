import type { Dimension } from '#protocol/space.ts'
import type { Values } from '#search/expression.ts'

/** A test function over a space, with its least value: regret is what a search is above it. */
export interface Problem {
  readonly name: string
  readonly space: Readonly<Record<string, Dimension>>
  readonly least: number
  of(values: Values): number
}

const SHIFT = [1, -1.5, 0.5, 2, -0.75] as const

const cube = (low: number, high: number, dimensions: number): Record<string, Dimension> =>
  Object.fromEntries(Array.from({ length: dimensions }, (_, i) => [`x${i}`, { float: [low, high] }]))

const coordinates = (values: Values): number[] =>
  Object.keys(values)
    .sort()
    .map(name => Number(values[name]))

const shifted = (values: Values): number[] => coordinates(values).map((x, i) => x - (SHIFT[i] ?? 0))
const sum = (terms: readonly number[]): number => terms.reduce((total, term) => total + term, 0)

const sphere: Problem = {
  name: 'sphere5',
  space: cube(-5, 5, 5),
  least: 0,
  of: values => sum(shifted(values).map(x => x * x)),
}

const rastrigin: Problem = {
  name: 'rastrigin5',
  space: cube(-5, 5, 5),
  least: 0,
  of: values => sum(shifted(values).map(x => x * x - 10 * Math.cos(2 * Math.PI * x) + 10)),
}

const ackley: Problem = {
  name: 'ackley5',
  space: cube(-10, 10, 5),
  least: 0,
  of: values => {
    const x = shifted(values)
    const root = Math.sqrt(sum(x.map(a => a * a)) / x.length)
    const waves = sum(x.map(a => Math.cos(2 * Math.PI * a))) / x.length
    return -20 * Math.exp(-0.2 * root) - Math.exp(waves) + 20 + Math.E
  },
}

const rosenbrock: Problem = {
  name: 'rosenbrock5',
  space: cube(-2, 2, 5),
  least: 0,
  of: values => {
    const x = coordinates(values)
    return sum(x.slice(1).map((next, i) => 100 * (next - (x[i] ?? 0) ** 2) ** 2 + (1 - (x[i] ?? 0)) ** 2))
  },
}

const branin: Problem = {
  name: 'branin',
  space: { x0: { float: [-5, 10] }, x1: { float: [0, 15] } },
  least: 0.39788735772973816,
  of: values => {
    const [a = 0, b = 0] = coordinates(values)
    const parabola = b - (5.1 / (4 * Math.PI ** 2)) * a * a + (5 / Math.PI) * a - 6
    return parabola ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(a) + 10
  },
}

// Dixon and Szegö (1978), as in every collection of test functions since.
const HARTMANN_A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
] as const
const HARTMANN_P = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
] as const
const HARTMANN_C = [1, 1.2, 3, 3.2] as const

const hartmann: Problem = {
  name: 'hartmann6',
  space: cube(0, 1, 6),
  least: -3.322368011415512,
  of: values => {
    const x = coordinates(values)
    const distance = (i: number): number =>
      sum(x.map((xj, j) => (HARTMANN_A[i]?.[j] ?? 0) * (xj - (HARTMANN_P[i]?.[j] ?? 0)) ** 2))
    return -sum(HARTMANN_C.map((c, i) => c * Math.exp(-distance(i))))
  },
}

const SCHEDULE_LOSS: Readonly<Record<string, number>> = { cos: 0, lin: 0.05, step: 0.15, const: 0.3 }
const BATCHES: Readonly<Record<string, { loss: number; shift: number; slow: number }>> = {
  32: { loss: 0.4, shift: -0.6, slow: 0 },
  64: { loss: 0.15, shift: -0.3, slow: 0.1 },
  128: { loss: 0, shift: 0, slow: 0.2 },
  256: { loss: 0.1, shift: 0.3, slow: 0.3 },
}

const batchOf = (values: Values): { loss: number; shift: number; slow: number } =>
  BATCHES[String(values.batch)] ?? { loss: Number.NaN, shift: Number.NaN, slow: Number.NaN }

/** What tuning a small network looks like: ranges, levels and categories that depend on each other. */
export const mixed: Problem = {
  name: 'mixed',
  space: {
    lr: { log: [1e-4, 1e-1] },
    layers: { int: [1, 8] },
    wd: { log: [1e-4, 1] },
    batch: { choice: [32, 64, 128, 256] },
    schedule: { choice: ['cos', 'lin', 'step', 'const'] },
  },
  least: 0,
  of: values => {
    const [lr, layers, wd] = [Number(values.lr), Number(values.layers), Number(values.wd)]
    const { loss, shift } = batchOf(values)
    const best = Math.log10(0.003) - 0.15 * (layers - 4) - 0.5 * shift
    return (
      (Math.log10(lr) - best) ** 2 +
      (SCHEDULE_LOSS[String(values.schedule)] ?? Number.NaN) +
      0.02 * (layers - 4) ** 2 +
      loss +
      0.03 * (Math.log10(wd) + 2) ** 2
    )
  },
}

/** What `mixed` shows after r of 27 units, without noise: large models and large batches start slower. */
export function mixedAfter(values: Values, units: number): number {
  const slowness = 0.3 + 0.1 * Number(values.layers) + batchOf(values).slow
  return mixed.of(values) + slowness * (units ** -0.5 - 27 ** -0.5)
}

export const PROBLEMS: readonly Problem[] = [sphere, rosenbrock, rastrigin, ackley, branin, hartmann, mixed]
