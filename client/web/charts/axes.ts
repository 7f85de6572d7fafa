/** Experiments in columns, as parallel coordinates show them. */
export interface Axis {
  /** What the filter calls it. */
  readonly name: string
  /** What a reader calls it, where that is another word. */
  readonly title?: string
  /** 0 (bottom) to 1 of each experiment; NaN: it has no value there. */
  readonly at: Float64Array
  /** The value at a height, as a condition of the filter has it. */
  valueAt(height: number): string
  /** Words for its two ends. */
  readonly ends: readonly [string, string]
  /** It has names rather than numbers: each at its own height. */
  readonly names: readonly string[] | undefined
}

type Value = string | number | null

// As `corpus similar` does: what spans so much is compared by ratios.
const LOG_SPAN = 64
const DIGITS = 4

const short = (value: number): string => String(Number(value.toPrecision(DIGITS)))

/** The axis of a column: by ratios where positive numbers span 64 times or more; names in the order of the alphabet. */
export function axisOf(name: string, values: readonly Value[]): Axis {
  const numbers = values.filter(value => typeof value === 'number')
  if (numbers.length < values.filter(value => value !== null).length) return namedAxis(name, values)
  let [low, high] = [Infinity, -Infinity]
  for (const value of numbers) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  const isLog = low > 0 && high / low >= LOG_SPAN
  const scale = isLog ? Math.log : (value: number) => value
  const [from, span] = [scale(low), scale(high) - scale(low) || 1]
  return {
    name,
    at: Float64Array.from(values, value =>
      typeof value === 'number' ? (scale(value) - from) / span : Number.NaN,
    ),
    valueAt: height => short(isLog ? Math.exp(from + height * span) : from + height * span),
    ends: [short(low), short(high)],
    names: undefined,
  }
}

function namedAxis(name: string, values: readonly Value[]): Axis {
  const names = [...new Set(values.flatMap(value => (value === null ? [] : [String(value)])))].sort()
  const place = new Map(names.map((one, i) => [one, names.length === 1 ? 0.5 : i / (names.length - 1)]))
  return {
    name,
    at: Float64Array.from(values, value =>
      value === null ? Number.NaN : (place.get(String(value)) ?? Number.NaN),
    ),
    valueAt: height => names[Math.round(height * (names.length - 1))] ?? '',
    ends: [names[0] ?? '', names.at(-1) ?? ''],
    names,
  }
}

const conditionOn = (name: string): RegExp => new RegExp(`^${name}(<=|>=|!=|=|<|>)`)

/**
 * The filter after somebody brushed an axis between two heights: two conditions in the words of the filter form, which says the same by
 * keyboard. `adds`: conditions on other axes stay. Without `range` those on this axis are cleared.
 */
export function brushed(
  filter: string,
  axis: Axis,
  { range, adds }: { range: readonly [number, number] | undefined; adds: boolean },
): string {
  const words = filter.split(/\s+/).filter(word => word !== '')
  const kept = range === undefined || adds ? words.filter(word => !conditionOn(axis.name).test(word)) : []
  if (range === undefined) return kept.join(' ')
  const [low, high] = [Math.min(...range), Math.max(...range)].map(at =>
    axis.valueAt(Math.min(1, Math.max(0, at))),
  )
  const own =
    axis.names !== undefined && low === high
      ? [`${axis.name}=${low}`]
      : [`${axis.name}>=${low}`, `${axis.name}<=${high}`]
  return [...kept, ...own].join(' ')
}
