import { meanOf } from '#domain/comparison.ts'
import { invariant } from '#domain/invariant.ts'
import type { AnalysisOf, AnalysisView } from '#protocol/analysis.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import type { Recipe } from '#protocol/job.ts'
import { ANALYSIS_ROWS_MAX } from '#protocol/limits.ts'
import { type ExperimentId, type Instant, type ResultId, toWire } from '#protocol/units.ts'
import { residualsView } from './analyse-residuals.ts'
import { type Axes, axesOf, contourView, importanceOf, slicesOf } from './analyse-space.ts'
import { paretoFront } from './analysis.ts'
import type { Value } from './expression.ts'
import type { Observation, View } from './history.ts'
import { hullOf } from './hull.ts'
import type { Parameter } from './parameter.ts'
import { plateauOf } from './plateau.ts'
import { compileSpace, type SearchSpace } from './search-space.ts'
import { thinned } from './thin.ts'

/** An experiment with its final runs, as it is stored. */
export interface AnalysedRow {
  readonly ordinal: number
  readonly experimentId: ExperimentId
  readonly recipe: Recipe
  readonly units: number
  readonly open: number
  readonly provisional: number
  readonly diverged: number
  readonly failed: number
  readonly partial: number
  readonly seeds: readonly number[]
  readonly values: readonly number[]
  readonly parameters: number | null
  readonly fuel: number | null
  readonly finishedAt: Instant | null
  readonly resultId: ResultId | null
}

/** A finished experiment. `value` is the mean over its seeds of screening. */
interface Finished {
  readonly row: AnalysedRow
  readonly value: number
  readonly coordinates: Float64Array
}

const CURVES_BEST = 8
const CURVES_OTHER = 16

/** What the verified rows of a campaign say. Rows that are withheld must be left out by the caller. */
export function analyse(file: CampaignFile, rows: readonly AnalysedRow[]) {
  const { metric, replicate } = file
  const sign = metric.goal === 'minimize' ? 1 : -1
  const done = rows.filter(row => stateOf(row) === 'finished')
  const space = spaceOf(file, done)
  const finished = done
    .map((row): Finished => {
      const value = meanOf(row.values)?.mean ?? Number.NaN
      return { row, value, coordinates: space.encode(row.recipe) }
    })
    .sort((a, b) => (a.row.finishedAt ?? 0) - (b.row.finishedAt ?? 0) || a.row.ordinal - b.row.ordinal)
  const ranked = finished.toSorted((a, b) => sign * (a.value - b.value))
  const view = viewOfFinished(finished, ranked, sign)
  const importance = once(() => importanceOf(space, view))
  const effect = file.stop?.sprt?.effect
  return {
    experiments: countStates(rows),
    bestSoFar: () => bestSoFarOf(finished, { sign, effect }),
    importance,
    slices: () => slicesOf(space, view, sign),
    /** Undefined: the campaign does not vary a parameter of that name; null: it varies only one. */
    contour: (names: Partial<Axes>) => {
      const known = names.x !== undefined && names.y !== undefined
      return contourView(space, view, {
        sign,
        names: known ? axesOf(space, null, names) : axesOf(space, importance().parameters, names),
      })
    },
    /** Whose learning curves are worth a look. */
    curvesWanted: () => curvesOf(ranked),
    pareto: () => paretoOf(ranked, sign),
    residuals: () =>
      residualsView(
        rows.filter(row => stateOf(row) === 'finished'),
        replicate.seeds,
      ),
    points: (limit: number) => pointsOf(space, ranked, limit),
  }
}

function once<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined
  return () => {
    known ??= { value: compute() }
    return known.value
  }
}

type State = Exclude<keyof AnalysisView['experiments'], 'created' | 'withheld'>

function stateOf({ units, open, provisional, diverged, failed, partial }: AnalysedRow): State {
  if (diverged > 0) return 'diverged'
  if (units === 0) return partial > 0 ? 'partial' : 'pending'
  if (open > 0 || provisional > 0) return 'pending'
  return failed > 0 ? 'failed' : 'finished'
}

function countStates(rows: readonly AnalysedRow[]) {
  const counts = { finished: 0, pending: 0, partial: 0, failed: 0, diverged: 0 }
  for (const row of rows) counts[stateOf(row)]++
  return { created: rows.length, ...counts }
}

function spaceOf({ space, recipe }: CampaignFile, rows: readonly AnalysedRow[]): SearchSpace {
  const hull = hullOf(
    space,
    rows.map(row => row.recipe),
  )
  const compiled = compileSpace({ space: hull, recipe })
  invariant(compiled.ok, 'the space of a submitted campaign compiles')
  return compiled
}

function viewOfFinished(finished: readonly Finished[], ranked: readonly Finished[], sign: number): View {
  const observed = ({ coordinates, value }: Finished): Observation => ({
    ...{ coordinates, state: 'finished', loss: sign * value, rung: Infinity, asked: 0 },
  })
  return { observations: finished.map(observed), ranked: ranked.map(observed), pending: [] }
}

function bestSoFarOf(
  finished: readonly Finished[],
  { sign, effect }: { readonly sign: number; readonly effect: number | undefined },
): AnalysisOf<'bestSoFar'> {
  const steps: AnalysisOf<'bestSoFar'>['steps'] = []
  let best = Infinity
  finished.forEach(({ row, value }, i) => {
    if (sign * value >= best) return
    best = sign * value
    invariant(row.finishedAt !== null, 'what has finished was published')
    const at = toWire(row.finishedAt)
    const { n, ci95 } = meanOf(row.values) ?? { n: 0, ci95: null }
    steps.push({ finished: i + 1, at, experimentId: row.experimentId, value, ci95, n })
  })
  const shown = thinned(steps, ANALYSIS_ROWS_MAX)
  const plateau =
    effect === undefined
      ? null
      : plateauOf(
          finished.map(({ value }) => sign * value),
          effect,
        )
  return {
    method:
      'Mean over the seeds of screening, in the order in which the last run of each experiment was published.',
    n: finished.length,
    steps: [...shown],
    leftOut: steps.length - shown.length,
    plateau:
      plateau === null ? null : { ...plateau, gain: Number.isFinite(plateau.gain) ? plateau.gain : null },
  }
}

interface Wanted {
  readonly experimentId: ExperimentId
  readonly resultId: ResultId
  readonly rank: number
  readonly value: number
}

function curvesOf(ranked: readonly Finished[]): Wanted[] {
  const withRank = ranked.flatMap(({ row, value }, i) =>
    row.resultId === null
      ? []
      : [{ experimentId: row.experimentId, resultId: row.resultId, rank: i + 1, value }],
  )
  return [...withRank.slice(0, CURVES_BEST), ...thinned(withRank.slice(CURVES_BEST), CURVES_OTHER)]
}

function paretoOf(ranked: readonly Finished[], sign: number): AnalysisOf<'pareto'> {
  // What a kernel does not count is equal for all.
  const front = paretoFront(ranked, ({ row, value }) => [sign * value, row.parameters ?? 0, row.fuel ?? 0])
  const shown = thinned(front, ANALYSIS_ROWS_MAX)
  return {
    method:
      'Experiments that no other equals or beats in metric, parameters and fuel and beats in one of them.',
    n: ranked.length,
    rows: shown.flatMap(({ row }) => {
      const { experimentId, resultId, parameters, fuel } = row
      const value = meanOf(row.values)
      return value === null ? [] : [{ experimentId, resultId, value, parameters, fuel }]
    }),
    leftOut: front.length - shown.length,
  }
}

/** The better half of `limit` from the top, the other half evenly over the rest. */
function pointsOf(
  { parameters }: SearchSpace,
  ranked: readonly Finished[],
  limit: number,
): AnalysisOf<'points'> {
  const top = ranked.length <= limit ? limit : Math.ceil(limit / 2)
  const shown = [...ranked.slice(0, top), ...thinned(ranked.slice(top), limit - top)]
  const column = (parameter: Parameter, i: number): [string, (Value | null)[]] => [
    parameter.name,
    shown.map(({ row, coordinates }) => {
      const value = row.recipe[parameter.name]
      return value === undefined || typeof value === 'boolean' || Number.isNaN(coordinates[i]) ? null : value
    }),
  ]
  return {
    method:
      'Finished experiments, best first; of more than were asked for the better half of the limit, and others evenly.',
    leftOut: ranked.length - shown.length,
    experimentId: shown.map(({ row }) => row.experimentId),
    value: shown.map(({ value }) => value),
    n: shown.map(({ row }) => row.values.length),
    parameters: Object.fromEntries(parameters.map(column)),
  }
}
