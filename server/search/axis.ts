import { sixDigits } from '#protocol/kernel.ts'
import { EXPERIMENTS_PER_CAMPAIGN_MAX } from '#protocol/limits.ts'
import type { Dimension } from '#protocol/space.ts'

type Value = string | number

/** One dimension as a sampler sees it. */
export interface Axis {
  readonly name: string
  /** How many values it has; null: a continuum. */
  readonly size: number | null
  /** Value number `index` of a finite axis, in the order of the file. */
  at(index: number): Value
  /** The value at `u` in [0, 1), uniform over the values, or over the (logarithmic) range. */
  draw(u: number): Value
}

export type AxisReply =
  | { readonly ok: true; readonly axis: Axis }
  | { readonly ok: false; readonly detail: string }

/** The values a grid takes: ranges need `points`. Values that are equal at six significant digits are refused. */
export function gridAxis(name: string, dimension: Dimension): AxisReply {
  const values = gridValues(dimension)
  if (values === undefined) {
    return { ok: false, detail: `space.${name}: a grid needs points, the number of values to take` }
  }
  if (values.size > VALUES_MAX) {
    return { ok: false, detail: `space.${name}: ${values.size} values, at most ${VALUES_MAX}` }
  }
  return distinct(name, values)
}

/** What a random sampler draws from: ranges are continua, whatever their `points`, and so are very long lists. */
export function randomAxis(name: string, dimension: Dimension): AxisReply {
  if ('log' in dimension) {
    const [low, high] = dimension.log
    return { ok: true, axis: continuum(name, u => low * (high / low) ** u) }
  }
  if ('float' in dimension && dimension.step === undefined) {
    const [low, high] = dimension.float
    return { ok: true, axis: continuum(name, u => low + (high - low) * u) }
  }
  const values = discreteValues(dimension)
  if (values.size > VALUES_MAX) return { ok: true, axis: asAxis(name, values, null) }
  return distinct(name, values)
}

// As many as the experiments of one campaign; a list this long is still looked through in a few milliseconds.
const VALUES_MAX = EXPERIMENTS_PER_CAMPAIGN_MAX

function distinct(name: string, values: Values): AxisReply {
  const seen = new Set<Value>()
  for (let i = 0; i < values.size; i++) {
    const value = canonicalValue(values.at(i))
    if (seen.has(value)) return { ok: false, detail: `space.${name}: the value ${value} occurs twice` }
    seen.add(value)
  }
  return { ok: true, axis: asAxis(name, values) }
}

interface Values {
  readonly size: number
  at(index: number): Value
}

function gridValues(dimension: Dimension): Values | undefined {
  if ('log' in dimension) {
    const [low, high] = dimension.log
    return spaced(dimension.points, high, fraction => low * (high / low) ** fraction)
  }
  if ('float' in dimension && dimension.step === undefined) {
    const [low, high] = dimension.float
    return spaced(dimension.points, high, fraction => low + (high - low) * fraction)
  }
  return discreteValues(dimension)
}

// The upper end is taken as written: rounding must not push it over the kernel's bound.
function spaced(
  points: number | undefined,
  high: number,
  at: (fraction: number) => number,
): Values | undefined {
  if (points === undefined) return undefined
  return { size: points, at: i => (i > 0 && i === points - 1 ? high : at(i / Math.max(1, points - 1))) }
}

function discreteValues(dimension: Exclude<Dimension, { log: unknown }>): Values {
  if ('choice' in dimension) return listed(dimension.choice)
  const [low, high] = 'int' in dimension ? dimension.int : dimension.float
  const step = dimension.step ?? 1
  return { size: stepsBetween(low, high, step), at: i => stepAt(low, step, i) }
}

/** How many values low, low + step… do not exceed `high`: a ratio of floats such as 0.3 / 0.1 may end just below the whole number. */
export const stepsBetween = (low: number, high: number, step: number): number =>
  Math.floor((high - low) / step + 1e-9) + 1

/** The value `i` steps above `low`; sums of floats such as −0.3 + 3 · 0.1 end beside 0, and no kernel takes what is too close to it. */
export function stepAt(low: number, step: number, i: number): number {
  const value = low + i * step
  return Math.abs(value) < step * 1e-9 ? 0 : value
}

const listed = (values: readonly Value[]): Values => ({
  size: values.length,
  at: i => {
    const value = values[i]
    if (value === undefined) throw new RangeError(`value ${i} of ${values.length}`)
    return value
  },
})

// A list too long to be looked through for repetitions counts as endless: its draws are compared instead.
const asAxis = (name: string, values: Values, size: number | null = values.size): Axis => ({
  name,
  size,
  at: values.at,
  draw: u => values.at(Math.floor(u * values.size)),
})

const continuum = (name: string, draw: (u: number) => Value): Axis => ({
  name,
  size: null,
  at: () => {
    throw new RangeError(`${name} is a continuum`)
  },
  draw,
})

/** A value as it stands in a canonical recipe. */
export const canonicalValue = (value: Value): Value => (typeof value === 'number' ? sixDigits(value) : value)
