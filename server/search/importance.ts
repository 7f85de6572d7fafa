import type { View } from './history.ts'
import type { Parameter } from './parameter.ts'
import type { SearchSpace } from './search-space.ts'

export interface Importance {
  readonly name: string
  /** The shares of all parameters add up to 1, or are all 0 when nothing tells them apart. */
  readonly share: number
}

/** Of fewer finished trials no importance is said. */
export const IMPORTANCE_TRIALS_MIN = 20

// What tells the best quarter from all.
const TOP = 0.25
/** Bins of a range. */
const BINS = 32

/**
 * How much each parameter alone explains that a finished trial is among the best quarter: the Pearson divergence of its
 * density among them from that among all, by PED-ANOVA (Watanabe, Bansal and Hutter 2023). Since it is a ratio of
 * densities, it does not matter where the sampler looked more often. Being inactive counts as one more value. Undefined
 * below 20 finished trials. Linear in trials.
 */
export function importances(
  { parameters }: SearchSpace,
  { ranked }: View,
): readonly Importance[] | undefined {
  const finished = ranked.filter(({ state }) => state === 'finished')
  if (finished.length < IMPORTANCE_TRIALS_MIN) return undefined
  const top = finished.slice(0, Math.ceil(TOP * finished.length))
  const divergences = parameters.map((parameter, i) => {
    const density = (points: typeof top): Float64Array =>
      densityOf(
        parameter,
        points.map(({ coordinates }) => coordinates[i] ?? Number.NaN),
      )
    return divergence(density(top), density(finished))
  })
  const total = divergences.reduce((sum, each) => sum + each, 0)
  return parameters.map(({ name }, i) => ({ name, share: total > 0 ? (divergences[i] ?? 0) / total : 0 }))
}

/** Σ q·(p/q − 1)² */
function divergence(p: Float64Array, q: Float64Array): number {
  let sum = 0
  q.forEach((qi, i) => {
    sum += qi * ((p[i] ?? 0) / qi - 1) ** 2
  })
  return sum
}

/** Chances of the values or bins of a parameter, smoothed, and last that of being inactive. */
function densityOf({ kind, size, index }: Parameter, coordinates: readonly number[]): Float64Array {
  const bins = kind === 'range' || size > BINS ? BINS : size
  const masses = new Float64Array(bins + 1)
  const width = 1.06 * coordinates.length ** -0.2 * spread(coordinates)
  for (const x of coordinates) {
    if (Number.isNaN(x)) add(masses, bins, 1)
    else if (kind === 'categories') add(masses, index(x), 1)
    else addKernel(masses.subarray(0, bins), x, Math.max(width, 0.5 / bins))
  }
  // A prior of one trial, evenly: no bin is empty, and few trials say little.
  const prior = 1 / masses.length
  return masses.map(mass => (mass + prior) / (coordinates.length + 1))
}

function add(masses: Float64Array, i: number, mass: number): void {
  masses[i] = (masses[i] ?? 0) + mass
}

function addKernel(bins: Float64Array, x: number, width: number): void {
  const weights = bins.map((_, i) => Math.exp(-0.5 * (((i + 0.5) / bins.length - x) / width) ** 2))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  weights.forEach((weight, i) => {
    add(bins, i, weight / total)
  })
}

function spread(coordinates: readonly number[]): number {
  const active = coordinates.filter(x => !Number.isNaN(x))
  const mean = active.reduce((sum, x) => sum + x, 0) / Math.max(1, active.length)
  return Math.sqrt(active.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, active.length))
}
