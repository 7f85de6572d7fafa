import { LAST_RUNG } from '#protocol/job.ts'
import type { Dimension, Pruner, SamplerFile } from '#protocol/space.ts'
import { gridAxis } from '#search/axis.ts'
import { plainValues, type Values } from '#search/expression.ts'
import type { Outcome, Report, Trial } from '#search/history.ts'
import { climbersOf, firstRungOf, goingOn } from '#search/scheduler.ts'
import { searchFor } from '../search/simulate.ts'
import type { Row, Table } from './table.ts'

/** A table as a problem: what a search would be told of each recipe at each rung, and what it would pay. */
export interface Bench {
  readonly space: Readonly<Record<string, Dimension>>
  /** Points of the space. */
  readonly size: number
  /** The least mean over the seeds of a whole run. */
  readonly least: number
  /** How many recipes are at most so much worse than the best. */
  goodWithin(margin: number): number
  at(values: Values, rung: number): RungMean
}

interface RungMean {
  /** Mean over the seeds; undefined where one of them has none. */
  readonly loss: number | undefined
  /** From the start of the run to the end of the rung, in whole runs: mean over the seeds, over the limit. */
  readonly fuel: number
}

/**
 * A range of which the table has some points, even in its scale, becomes the whole numbers of these points: between them a
 * search would be told of its neighbours.
 */
export function benchOf({ file, rows }: Table): Bench {
  const limit = file.budget.fuel_per_run ?? Number.NaN
  const names = Object.keys(file.space).sort()
  const points = new Map<string, Row[]>()
  for (const row of rows) {
    const key = keyOf(names.map(name => row.values[name]))
    points.set(key, [...(points.get(key) ?? []), row])
  }
  const axes = new Map(names.map(name => [name, levelsOf(name, file.space[name])] as const))
  const means = new Map(Array.from(points, ([key, seeds]) => [key, meansOf(seeds, limit)] as const))
  const finals = Array.from(means.values(), rungs => rungs[LAST_RUNG]?.loss ?? Infinity)
  const least = Math.min(...finals)
  return {
    space: Object.fromEntries(
      Array.from(axes, ([name, levels]) => [name, 'at' in levels ? { int: [0, levels.size - 1] } : levels]),
    ),
    size: points.size,
    least,
    goodWithin: margin => finals.filter(loss => loss <= least + margin).length,
    at: (values, rung) => {
      const key = keyOf(
        Array.from(axes, ([name, levels]) =>
          'at' in levels ? levels.at(Number(values[name])) : values[name],
        ),
      )
      const mean = means.get(key)?.[rung]
      if (mean === undefined) throw new RangeError(`the table has no ${key}`)
      return mean
    },
  }
}

interface Levels {
  readonly size: number
  at(index: number): string | number
}

function levelsOf(name: string, dimension: Dimension | undefined): Levels | Dimension {
  if (dimension === undefined) throw new TypeError('names are those of the space')
  if (!('log' in dimension || ('float' in dimension && dimension.step === undefined))) return dimension
  const reply = gridAxis(name, dimension)
  if (!reply.ok) throw new TypeError(reply.detail)
  return { size: reply.axis.size ?? 0, at: index => Number(Number(reply.axis.at(index)).toPrecision(6)) }
}

const keyOf = (values: readonly unknown[]): string => values.join(' ')

function meansOf(seeds: readonly Row[], limit: number): RungMean[] {
  return (
    seeds[0]?.rungs.map((_, rung) => {
      const ends = seeds.flatMap(({ rungs }) => rungs[rung] ?? [])
      const mean = (of: (end: (typeof ends)[number]) => number): number =>
        ends.reduce((sum, end) => sum + of(end), 0) / ends.length
      return ends.length < seeds.length
        ? { loss: undefined, fuel: 1 }
        : { loss: mean(end => end.loss), fuel: mean(end => end.fuel) / limit }
    }) ?? []
  )
}

export interface Contestant {
  readonly sampler: SamplerFile['name']
  readonly pruner: Pruner
  readonly seed: number
}

/**
 * The fuel, in whole runs of all seeds, at which a search has first computed a recipe to its end whose mean is at most
 * `within` above the least; Infinity if it has not when it could have computed everything. One experiment at a time: what
 * the pruner lets go on first, else a new one; a rung costs what it adds to the one before.
 */
export function fuelToFind(bench: Bench, { sampler, pruner, seed }: Contestant, within: number): number {
  const search = searchFor(bench, { name: sampler, seed })
  const trials: Trial[] = []
  const reports: Report[] = []
  for (let spent = 0; spent < bench.size; ) {
    const climbers = climbersOf({ trials, reports }, 'minimize', new Set())
    const [ordinal = trials.length] = pruner === 'none' ? [] : goingOn(pruner, climbers)
    if (ordinal === trials.length) {
      const reply = search.ask({ trials, reports }, 1)
      const [proposal] = reply.proposals
      if (proposal === undefined) return Infinity
      trials.push({ recipe: proposal.recipe, asked: proposal.asked })
    }
    const values = plainValues(trials[ordinal]?.recipe ?? {})
    const rung = climbers[ordinal]?.losses.length ?? firstRungOf(pruner, ordinal)
    const { loss, fuel } = bench.at(values, rung)
    spent += fuel - (ordinal in climbers ? bench.at(values, rung - 1).fuel : 0)
    if (rung === LAST_RUNG && loss !== undefined && loss <= bench.least + within) return spent
    reports.push({ ordinal, outcome: outcomeOf(loss, rung) })
  }
  return Infinity
}

function outcomeOf(value: number | undefined, rung: number): Outcome {
  if (value === undefined) return { state: 'diverged' }
  return rung === LAST_RUNG ? { state: 'finished', value } : { state: 'partial', rung, value }
}
