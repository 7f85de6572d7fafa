import type { CampaignFile } from '#protocol/campaign.ts'
import { INTERACTION_FIRST_SEED } from '#protocol/limits.ts'
import type { Candidate, PromotionFacts, PromotionRules, RunOutcome, TestFacts } from './promotion.ts'
import { pairedDeviation } from './statistics.ts'

/** A run of a campaign, as far as it is public and final. */
export interface KnownRun {
  readonly experimentId: string
  readonly recipeKey: string
  readonly baseline: boolean
  readonly seedIndex: number
  readonly state: 'pending' | 'ok' | 'diverged' | 'failed'
  readonly value: number | null
}

interface Evidence {
  readonly file: CampaignFile
  /** By experiment in the order of their ordinals, then by seed. */
  readonly runs: readonly KnownRun[]
  readonly tests: readonly TestFacts[]
  /** Nothing more will be tried. */
  readonly isTried: boolean
  /** How many are to be run whole. */
  readonly experiments: number
  /** Runs that tests may add in all. */
  readonly units: number
}

// Scatter is told by the better half: what trains badly scatters more, and is not what is compared.
const BETTER_SHARE = 0.5
const BETTER_MIN = 8

/** What decides about the tests of a campaign that has `stop.sprt`. */
export function promotionFacts({ file, runs, tests, isTried, experiments, units }: Evidence): PromotionFacts {
  const rules = rulesOf(file)
  const byExperiment = Map.groupBy(runs, run => run.experimentId)
  const screenings = Array.from(byExperiment, ([id, all]) => screeningOf(id, all, rules.seeds))
  const finished = screenings.filter(({ isOver, baseline }) => isOver && !baseline).length
  const fresh = runs.filter(({ seedIndex }) => isOfTests(seedIndex, rules)).length
  return {
    ...{ rules, tests, finished, runsLeft: units - fresh },
    baseline: screenings.find(({ baseline }) => baseline)?.candidate.id ?? '',
    candidates: screenings.flatMap(({ candidate, isOver }) => (isOver ? [candidate] : [])),
    runs: new Map(Array.from(byExperiment, ([id, all]) => [id, outcomesOf(all)])),
    created: new Map(
      Array.from(byExperiment, ([id, all]) => [id, new Set(all.map(({ seedIndex }) => seedIndex))]),
    ),
    deviation: screeningDeviation(screenings, rules.goal),
    isScreened: isTried && finished >= experiments && screenings.every(({ isOver }) => isOver),
  }
}

const isOfTests = (seedIndex: number, { seeds }: PromotionRules): boolean =>
  seedIndex >= seeds && seedIndex < INTERACTION_FIRST_SEED

function rulesOf({ metric, stop, replicate }: CampaignFile): PromotionRules {
  const { effect, alpha, beta } = stop?.sprt ?? { effect: 1, alpha: 0.05, beta: 0.05 }
  return { effect, alpha, beta, goal: metric.goal, seeds: replicate.seeds }
}

interface Screening {
  readonly candidate: Candidate
  readonly baseline: boolean
  readonly isOver: boolean
  readonly values: ReadonlyMap<number, number>
}

function screeningOf(id: string, all: readonly KnownRun[], seeds: number): Screening {
  const runs = all.filter(({ seedIndex }) => seedIndex < seeds)
  const values = new Map(runs.flatMap(({ seedIndex, value }) => (value === null ? [] : [[seedIndex, value]])))
  const sum = Array.from(values.values()).reduce((a, b) => a + b, 0)
  return {
    candidate: {
      id,
      recipeKey: all[0]?.recipeKey ?? '',
      screening: values.size === seeds ? sum / seeds : null,
    },
    baseline: all[0]?.baseline === true,
    isOver: runs.length === seeds && runs.every(({ state }) => state !== 'pending'),
    values,
  }
}

function screeningDeviation(screenings: readonly Screening[], goal: 'minimize' | 'maximize'): number | null {
  const sign = goal === 'minimize' ? 1 : -1
  const best = screenings
    .filter(({ isOver }) => isOver)
    .flatMap(({ candidate: { screening }, values }) => (screening === null ? [] : [{ screening, values }]))
    .sort((a, b) => sign * (a.screening - b.screening))
  const count = Math.max(BETTER_MIN, Math.ceil(BETTER_SHARE * best.length))
  return pairedDeviation(best.slice(0, count).map(({ values }) => values))
}

const outcomesOf = (all: readonly KnownRun[]): ReadonlyMap<number, RunOutcome> =>
  new Map(
    all.flatMap(({ seedIndex, state, value }): [number, RunOutcome][] => {
      if (state === 'pending') return []
      if (state !== 'ok') return [[seedIndex, { state }]]
      return value === null ? [] : [[seedIndex, { state, value }]]
    }),
  )
