import type { CampaignFile } from '#protocol/campaign.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { SearchView } from '#protocol/search.ts'
import { OUTSIDE, proposersOf } from '#protocol/space.ts'
import type { ExperimentId } from '#protocol/units.ts'
import { coverageOf } from './analysis.ts'
import { sharesOf, standingsOf } from './bandit.ts'
import type { Value } from './expression.ts'
import { type History, type Observation, type Outcome, type Trial, viewOf } from './history.ts'
import { importances } from './importance.ts'
import { lastOutcomes } from './outcome.ts'
import type { Parameter } from './parameter.ts'
import { planCampaign } from './plan.ts'
import type { SearchSpace } from './search-space.ts'

/** A trial as it is stored. */
export interface RecordedTrial extends Trial {
  readonly id: ExperimentId
  readonly isOutside: boolean
}

interface Recorded extends History {
  readonly trials: readonly RecordedTrial[]
}

interface Known {
  /** Its promotions are those that stand now, whatever was told of them. */
  readonly history: Recorded
  readonly limit: number | undefined
  /** Proposals from outside that wait for their turn. */
  readonly waiting?: number
}

const ROWS = 5
// Of three lists together, so that a wide space does not take more than a narrow one.
const VALUES_SHOWN = 40

/**
 * What the sampler of a campaign knows; undefined when all recipes were known in advance. `limit`: rows of each list; by
 * default at most 5, and fewer in wide spaces.
 */
export function searchState(
  file: CampaignFile,
  manifest: KernelManifest,
  { history, limit, waiting }: Known,
): SearchView | undefined {
  const plan = planCampaign(file, manifest)
  if (!plan.ok || plan.search === null) return undefined
  const { space } = plan.search
  const rows = limit ?? Math.max(1, Math.min(ROWS, Math.floor(VALUES_SHOWN / space.parameters.length)))
  const last = lastOutcomes(history)
  const tried = history.trials.map((trial, ordinal) => ({ trial, ordinal, outcome: last.get(ordinal) }))
  const row = ({ trial, ordinal }: Tried) => ({
    ...{ ordinal, experimentId: trial.id },
    values: activeValues(space, trial),
  })
  const newest = tried.toReversed()
  return {
    ...{ sampler: file.sampler.name, metric: file.metric.name, goal: file.metric.goal },
    experiments: countOf(tried, plan.experiments),
    ...turnsOf(file, history, waiting),
    best: bestOf(tried, file.metric.goal)
      .slice(0, rows)
      .map(({ value, ...each }) => ({ ...row(each), value })),
    parameters: parametersOf(space, viewOf(space, file.metric.goal, history)),
    pending: newest
      .filter(({ outcome }) => outcome === undefined)
      .slice(0, rows)
      .map(row),
    failures: newest
      .flatMap(each => {
        const state = each.outcome?.state
        return state === 'failed' || state === 'diverged' ? [{ ...row(each), outcome: state }] : []
      })
      .slice(0, rows),
  }
}

/** Of a campaign with one proposer there is nothing to say. */
function turnsOf(
  { sampler }: CampaignFile,
  history: History,
  waiting = 0,
): Pick<SearchView, 'proposers' | 'waiting'> {
  const names = proposersOf(sampler)
  if (names.length < 2) return {}
  const standings = standingsOf(names, history)
  const shares = sharesOf(standings)
  const proposers = standings.map(standing => ({ ...standing, share: shares.get(standing.name) ?? 0 }))
  return names.includes(OUTSIDE) ? { proposers, waiting } : { proposers }
}

interface Tried {
  readonly trial: RecordedTrial
  readonly ordinal: number
  readonly outcome: Outcome | undefined
}

function countOf(tried: readonly Tried[], planned: number): SearchView['experiments'] {
  const counts = { pending: 0, partial: 0, finished: 0, failed: 0, diverged: 0, outside: 0 }
  for (const { outcome, trial } of tried) {
    counts[outcome?.state ?? 'pending']++
    if (trial.isOutside) counts.outside++
  }
  return { planned, created: tried.length, ...counts }
}

function bestOf(tried: readonly Tried[], goal: SearchView['goal']): (Tried & { readonly value: number })[] {
  const sign = goal === 'minimize' ? 1 : -1
  return tried
    .flatMap(each => (each.outcome?.state === 'finished' ? [{ ...each, value: each.outcome.value }] : []))
    .sort((a, b) => sign * (a.value - b.value) || a.ordinal - b.ordinal)
}

/** A recipe names inactive parameters too, with their defaults: what they say has no effect. */
function activeValues({ parameters, encode }: SearchSpace, { recipe }: Trial): Trial['recipe'] {
  const coordinates = encode(recipe)
  const active = parameters.flatMap(({ name }, i) => {
    const value = recipe[name]
    return value === undefined || Number.isNaN(coordinates[i]) ? [] : [[name, value] as const]
  })
  return Object.fromEntries(active)
}

function parametersOf(space: SearchSpace, view: ReturnType<typeof viewOf>): SearchView['parameters'] {
  const covered = coverageOf(space, view)
  const finished = view.ranked.filter(({ state }) => state === 'finished')
  const best = finished.slice(0, Math.ceil(finished.length / 4))
  const shares = importances(space, view)
  return space.parameters.map((parameter, i) => ({
    name: parameter.name,
    covered: rounded(covered[i] ?? 0),
    bestQuarter: spreadOf(parameter, best, i),
    importance: shares === undefined ? null : rounded(shares[i]?.share ?? 0),
  }))
}

const rounded = (share: number): number => Math.round(share * 1000) / 1000

const CATEGORIES_SHOWN = 8

function spreadOf({ kind, decode }: Parameter, best: readonly Observation[], i: number): Value[] {
  const at = best
    .map(({ coordinates }) => coordinates[i] ?? Number.NaN)
    .filter(coordinate => !Number.isNaN(coordinate))
  if (at.length === 0) return []
  if (kind !== 'categories') {
    const ends = [at.reduce((a, b) => Math.min(a, b)), at.reduce((a, b) => Math.max(a, b))]
    return ends.map(decode)
  }
  const counts = new Map<number, number>()
  for (const coordinate of at) counts.set(coordinate, (counts.get(coordinate) ?? 0) + 1)
  const ordered = [...counts].sort(([x, n], [y, m]) => m - n || x - y).slice(0, CATEGORIES_SHOWN)
  return ordered.map(([coordinate]) => decode(coordinate))
}
