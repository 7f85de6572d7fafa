import type { Value } from './expression.ts'
import type { Observation, View } from './history.ts'
import type { Parameter } from './parameter.ts'
import type { SearchSpace } from './search-space.ts'
import { summarise } from './statistics.ts'

/** A step of the best-so-far curve: the trial of this number, counting finished ones from 1, was the best until then. */
export interface Step {
  readonly finished: number
  readonly loss: number
}

/** Where the best loss of the finished trials fell, in recorded order. */
export function bestSoFar({ observations }: View): readonly Step[] {
  const steps: Step[] = []
  observations.filter(isFinished).forEach(({ loss }, i) => {
    if (loss < (steps.at(-1)?.loss ?? Infinity)) steps.push({ finished: i + 1, loss })
  })
  return steps
}

const isFinished = ({ state }: Observation): boolean => state === 'finished'

/** One value, or the middle of one bin, of a parameter. */
export interface Bin {
  readonly value: Value
  readonly n: number
  /** Of the losses; null when n is 0. */
  readonly least: number | null
  readonly mean: number | null
  /** Half width of the 95 % confidence interval of the mean (Student t); null when n is below 2. */
  readonly ci95: number | null
}

const BINS = 16

/** The losses of the finished trials by the value of one parameter; undefined when the space does not have it. */
export function sliceOf(space: SearchSpace, view: View, name: string): readonly Bin[] | undefined {
  const index = space.parameters.findIndex(parameter => parameter.name === name)
  const parameter = space.parameters[index]
  if (parameter === undefined) return undefined
  const bins = binsOf(parameter)
  return summed(view, bins.length, coordinates => bins.indexOf(coordinates[index] ?? Number.NaN)).map(
    (bin, i) => ({ value: bins.value(i), ...bin }),
  )
}

export interface Contour {
  readonly x: readonly Value[]
  readonly y: readonly Value[]
  /** Row by row in y: n, least and mean of the losses in each cell. */
  readonly cells: readonly Omit<Bin, 'value'>[]
}

/** The losses of the finished trials over two parameters; undefined when the space lacks one. */
export function contourOf(
  space: SearchSpace,
  view: View,
  { x, y }: { readonly x: string; readonly y: string },
): Contour | undefined {
  const [ix, iy] = [x, y].map(name => space.parameters.findIndex(parameter => parameter.name === name))
  const [px, py] = [space.parameters[ix ?? -1], space.parameters[iy ?? -1]]
  if (ix === undefined || iy === undefined || px === undefined || py === undefined) return undefined
  const [bx, by] = [binsOf(px), binsOf(py)]
  const cells = summed(view, bx.length * by.length, coordinates => {
    const [i, j] = [bx.indexOf(coordinates[ix] ?? Number.NaN), by.indexOf(coordinates[iy] ?? Number.NaN)]
    return i < 0 || j < 0 ? -1 : j * bx.length + i
  })
  const values = (bins: Bins): Value[] => Array.from({ length: bins.length }, (_, i) => bins.value(i))
  return { x: values(bx), y: values(by), cells }
}

/** Of each parameter, the share of its values, or of 16 equal parts of its range, in which a trial lies, finished or not. */
export function coverageOf({ parameters }: SearchSpace, { observations, pending }: View): readonly number[] {
  return parameters.map((parameter, i) => {
    const bins = binsOf(parameter)
    const hit = new Set(
      [...observations, ...pending].map(({ coordinates }) => bins.indexOf(coordinates[i] ?? Number.NaN)),
    )
    hit.delete(-1)
    return hit.size / bins.length
  })
}

interface Bins {
  readonly length: number
  value(i: number): Value
  /** −1 for inactive. */
  indexOf(coordinate: number): number
}

function binsOf({ kind, size, index, coordinate, decode }: Parameter): Bins {
  if (kind !== 'range' && (kind === 'categories' || size <= BINS))
    return {
      length: size,
      value: i => decode(coordinate(i)),
      indexOf: x => (Number.isNaN(x) ? -1 : index(x)),
    }
  return {
    length: BINS,
    value: i => decode((i + 0.5) / BINS),
    indexOf: x => (Number.isNaN(x) ? -1 : Math.min(BINS - 1, Math.floor(x * BINS))),
  }
}

function summed(
  { observations }: View,
  length: number,
  binOf: (coordinates: Float64Array) => number,
): Omit<Bin, 'value'>[] {
  const losses: number[][] = Array.from({ length }, () => [])
  for (const { coordinates, loss } of observations.filter(isFinished)) losses[binOf(coordinates)]?.push(loss)
  return losses.map(all => {
    const { n = 0, mean = null, ci95 = null } = summarise(all) ?? {}
    return { n, least: n === 0 ? null : all.reduce((a, b) => Math.min(a, b)), mean, ci95 }
  })
}

/**
 * The items that no other is at least as good as in every respect and better in one, by the first respect. Less is
 * better in all of them: negate what is to be large. Items that are equal in all respects all stay.
 * @param respects of an item, such as loss, parameters, fuel
 */
export function paretoFront<T>(items: readonly T[], respects: (item: T) => readonly number[]): readonly T[] {
  const scored = items
    .map(item => ({ item, scores: respects(item) }))
    .filter(({ scores }) => scores.every(score => !Number.isNaN(score)))
    .sort((a, b) => lexicographic(a.scores, b.scores))
  // In this order nothing is dominated by what comes later.
  const front: typeof scored = []
  for (const each of scored) if (!front.some(({ scores }) => dominates(scores, each.scores))) front.push(each)
  return front.map(({ item }) => item)
}

function lexicographic(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((score, k) => score !== b[k])
  return i < 0 ? 0 : (a[i] ?? 0) - (b[i] ?? 0)
}

const dominates = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((score, i) => score <= (b[i] ?? Infinity)) && a.some((score, i) => score < (b[i] ?? Infinity))
