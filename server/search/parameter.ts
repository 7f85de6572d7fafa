import type { Dimension } from '#protocol/space.ts'
import { canonicalValue, stepAt, stepsBetween } from './axis.ts'
import type { Value } from './expression.ts'

/**
 * One dimension as a model sees it. A coordinate is in [0, 1] for ranges and levels (even in the scale of the
 * dimension), the index of a value for categories, and NaN where the parameter is inactive.
 */
export interface Parameter {
  readonly name: string
  /** `range`: a continuum; `levels`: ordered values, each the middle of an equal or logarithmic cell; `categories` have no order. */
  readonly kind: 'range' | 'levels' | 'categories'
  /** How many values; Infinity for a continuum. */
  readonly size: number
  /** Canonical, as it stands in a recipe; any coordinate in [0, 1], or an index. */
  decode(coordinate: number): Value
  /** The coordinate of a value, clamped to the ends; NaN for what is no value of the dimension. */
  encode(value: Value | boolean | undefined): number
  /** Number of the value, 0…size−1, of a coordinate; only for levels and categories. */
  index(coordinate: number): number
  /** The inverse of `index`. */
  coordinate(index: number): number
}

export function parameterOf(name: string, dimension: Dimension): Parameter {
  if ('choice' in dimension) return categories(name, dimension.choice)
  if ('log' in dimension) return range(name, dimension.log, 'log')
  if ('float' in dimension) {
    const { float, step } = dimension
    return step === undefined ? range(name, float, 'linear') : levels(name, { ends: float, step }, 'linear')
  }
  const { int, step = 1, scale = 'linear' } = dimension
  return levels(name, { ends: int, step }, scale)
}

type Scale = 'linear' | 'log'

const clamp = (x: number): number => Math.min(1, Math.max(0, x))

function range(name: string, [low, high]: readonly [number, number], scale: Scale): Parameter {
  const toScale = scale === 'log' ? Math.log : (x: number): number => x
  const [from, span] = [toScale(low), toScale(high) - toScale(low)]
  const none = (): number => 0
  return {
    name,
    kind: 'range',
    size: Infinity,
    decode: u => {
      // The ends are taken as written: rounding must not push a value over the kernel's bound.
      if (u <= 0) return canonicalValue(low)
      if (u >= 1) return canonicalValue(high)
      return canonicalValue(scale === 'log' ? low * (high / low) ** u : low + (high - low) * u)
    },
    encode: value => {
      if (typeof value !== 'number') return Number.NaN
      return span > 0 ? clamp((toScale(Math.min(high, Math.max(low, value))) - from) / span) : 0.5
    },
    index: none,
    coordinate: none,
  }
}

interface Steps {
  readonly ends: readonly [number, number]
  readonly step: number
}

function levels(name: string, { ends: [low, high], step }: Steps, scale: Scale): Parameter {
  const size = stepsBetween(low, high, step)
  const last = low + (size - 1) * step
  const isLog = scale === 'log' && low > 0
  // Cells reach half a step to each side; on a log scale they narrow upwards.
  const from = isLog ? Math.log(Math.max(low - step / 2, low / 2)) : low - step / 2
  const span = (isLog ? Math.log(last + step / 2) : last + step / 2) - from
  const toUnit = (value: number): number => clamp(((isLog ? Math.log(value) : value) - from) / span)
  const numberOf = (value: number): number =>
    Math.min(size - 1, Math.max(0, Math.round((value - low) / step)))
  const index = (u: number): number => numberOf(isLog ? Math.exp(from + u * span) : from + u * span)
  const at = (i: number): Value => canonicalValue(stepAt(low, step, i))
  return {
    name,
    kind: 'levels',
    size,
    decode: u => at(index(u)),
    encode: value => (typeof value === 'number' ? toUnit(low + numberOf(value) * step) : Number.NaN),
    index,
    coordinate: i => toUnit(low + i * step),
  }
}

function categories(name: string, values: readonly Value[]): Parameter {
  const canonical = values.map(canonicalValue)
  const numbers = new Map<Value | boolean | undefined, number>(canonical.map((value, i) => [value, i]))
  const index = (i: number): number => Math.min(canonical.length - 1, Math.max(0, Math.floor(i)))
  return {
    name,
    kind: 'categories',
    size: canonical.length,
    decode: i => canonical[index(i)] ?? '',
    encode: value => numbers.get(value) ?? Number.NaN,
    index,
    coordinate: i => i,
  }
}
