import { CELLS_ADDED_MAX } from '#domain/campaign.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import type { InteractionFile, InteractionState } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import {
  EXPERIMENTS_PER_CAMPAIGN_MAX,
  INTERACTION_FIRST_SEED,
  PAIRS_MAX,
  PAIRS_MIN,
} from '#protocol/limits.ts'
import type { PromotionFacts, RunOutcome } from './promotion.ts'
import { boundsOf, sprt } from './sprt.ts'

/** Why a campaign cannot ask whether one parameter depends on another; undefined when it can. The detail names the field. */
export function interactionFault({
  interaction,
  space,
  replicate,
  budget,
}: CampaignFile): string | undefined {
  if (interaction === undefined) return undefined
  for (const part of ['best', 'by'] as const) {
    const dimension = space[interaction[part]]
    if (dimension === undefined) return `interaction.${part}: the campaign does not vary ${interaction[part]}`
    if (dimension.when !== undefined)
      return `interaction.${part}: ${interaction[part]} exists only under a condition`
  }
  const by = space[interaction.by]
  if (by !== undefined && ('log' in by || ('float' in by && by.step === undefined)))
    return `interaction.by: ${interaction.by} has no levels that repeat: use choice, int or a step`
  if (replicate.seeds < 2) return 'replicate.seeds: interaction tells the scatter from at least 2 seeds'
  return budget.runs + CELLS_ADDED_MAX > EXPERIMENTS_PER_CAMPAIGN_MAX
    ? `budget.runs: interaction may add ${CELLS_ADDED_MAX} to them`
    : undefined
}

/** An experiment whose screening is over, with its mean. */
export interface Screened {
  readonly id: string
  readonly recipe: Recipe
  readonly screening: number
}

/** A cell of the two by two: a recipe, and which experiment has it. */
export interface ChosenCells {
  readonly type: 'cells'
  /** The choice of the lowest level at it, that of the highest at it, the choice of the highest at the lowest, and the reverse. */
  readonly cells: readonly [low: Recipe, high: Recipe, swappedLow: Recipe, swappedHigh: Recipe]
}

type Settled = {
  readonly type: 'settled'
  readonly state: 'same_choice' | 'not_measured'
  readonly why: string
}

/**
 * What there is to compare: the best of each of the two outermost levels by screening, and either with the other's choice; all
 * else is as it is there. Fresh seeds then say what the exchange costs, since a choice flatters itself on the seeds that made it.
 * @param settle the canonical recipe, or why it is none of the campaign
 */
export function chooseCells(
  { best, by }: Pick<InteractionFile, 'best' | 'by'>,
  screened: readonly Screened[],
  { goal, settle }: { readonly goal: 'minimize' | 'maximize'; settle(recipe: Recipe): Recipe | string },
): ChosenCells | Settled {
  const sign = goal === 'minimize' ? 1 : -1
  const levels = Array.from(Map.groupBy(screened, ({ recipe }) => recipe[by]))
    .sort(([a], [b]) =>
      typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
    )
    .flatMap(([, at]) => at.toSorted((a, b) => sign * (a.screening - b.screening)).slice(0, 1))
  const [low, high] = [levels[0]?.recipe, levels.length > 1 ? levels.at(-1)?.recipe : undefined]
  if (low === undefined || high === undefined)
    return {
      type: 'settled',
      state: 'not_measured',
      why: `fewer than two values of ${by} have an experiment with a value`,
    }
  const [ours, theirs] = [low[best], high[best]]
  if (ours === undefined || theirs === undefined)
    return { type: 'settled', state: 'not_measured', why: `a recipe has no ${best}` }
  if (ours === theirs)
    return {
      type: 'settled',
      state: 'same_choice',
      why: `${best}=${ours} is best at ${by}=${low[by]} and at ${by}=${high[by]}`,
    }
  const swapped = [settle({ ...low, [best]: theirs }), settle({ ...high, [best]: ours })] as const
  if (typeof swapped[0] === 'string' || typeof swapped[1] === 'string') {
    const why = `the choices cannot be exchanged: ${swapped.find(each => typeof each === 'string')}`
    return { type: 'settled', state: 'not_measured', why }
  }
  return { type: 'cells', cells: [low, high, swapped[0], swapped[1]] }
}

/** A test of the four cells as it stands. */
export interface InteractionTest {
  readonly cells: readonly string[] // ids, in the order of `ChosenCells`
  readonly seedsAsked: number
  /** Of what exchanging costs on one seed. */
  readonly deviation: number
}

export interface JudgedInteraction {
  readonly state: InteractionState
  /** By seed; those on which a cell has no value are left out. */
  readonly costs: readonly number[]
  readonly llr: number
  readonly lower: number
  readonly upper: number
  /** How many seeds it goes on with, where that decides nothing yet; null: it asks for none. */
  readonly seedsNext: number | null
}

// As tests of promotions: half as many again each time.
const GROWTH = 1.5

/**
 * What a test says by the seeds that have come in, in their order up to the first that has not. It is the sequential test of
 * promotions of another difference: what exchanging the two choices costs at both levels together.
 */
export function judgeInteraction(
  test: InteractionTest,
  rules: Omit<InteractionFile, 'best' | 'by'>,
  { runs, created, rules: { goal } }: Pick<PromotionFacts, 'runs' | 'created' | 'rules'>,
): JudgedInteraction {
  const sign = goal === 'minimize' ? 1 : -1
  const costs: number[] = []
  let isComplete = true
  for (let seed = INTERACTION_FIRST_SEED; seed < INTERACTION_FIRST_SEED + test.seedsAsked; seed++) {
    const four = test.cells.map(id => runs.get(id)?.get(seed))
    if (four.some(outcome => outcome === undefined)) {
      isComplete = false
      break
    }
    const [low, high, swappedLow, swappedHigh] = four.map(measuredOf)
    if (low === undefined || high === undefined || swappedLow === undefined || swappedHigh === undefined)
      continue
    costs.push(sign * (swappedLow - low + swappedHigh - high))
  }
  const {
    state: verdict,
    llr,
    lower,
    upper,
  } = sprt({ ...rules, gains: costs, deviation: test.deviation, test: 1 })
  const known = { costs, llr, lower, upper, seedsNext: null }
  if (verdict === 'promote') return { ...known, state: 'depends' }
  if (verdict === 'reject') return { ...known, state: 'no_dependence' }
  if (verdict === 'undecided') return { ...known, state: 'undecided' }
  if (!isComplete) return { ...known, state: 'running' }
  const seedsNext = moreSeeds(test, rules.runs, created)
  return seedsNext === test.seedsAsked
    ? { ...known, state: 'undecided' }
    : { ...known, state: 'running', seedsNext }
}

const measuredOf = (outcome: RunOutcome | undefined): number | undefined =>
  outcome?.state === 'ok' ? outcome.value : undefined

/** How many seeds are asked for next: as many as before when the budget has no more. */
function moreSeeds(
  { cells, seedsAsked }: InteractionTest,
  most: number,
  created: PromotionFacts['created'],
): number {
  const fresh = (id: string): number =>
    [...(created.get(id) ?? [])].filter(seed => seed >= INTERACTION_FIRST_SEED).length
  const used = cells.reduce((sum, id) => sum + fresh(id), 0)
  const affordable = seedsAsked + Math.floor(Math.max(0, most - used) / cells.length)
  return Math.min(PAIRS_MAX, Math.ceil(seedsAsked * GROWTH), affordable)
}

/** The runs of the cells that were asked for and do not exist yet. */
export const missingCells = (
  { cells, seedsAsked }: Pick<InteractionTest, 'cells' | 'seedsAsked'>,
  created: PromotionFacts['created'],
): readonly { readonly id: string; readonly seedIndex: number }[] =>
  cells.flatMap(id =>
    Array.from({ length: seedsAsked }, (_, seed) => INTERACTION_FIRST_SEED + seed)
      .filter(seedIndex => created.get(id)?.has(seedIndex) !== true)
      .map(seedIndex => ({ id, seedIndex })),
  )

/** How a test begins, by the scatter of a paired difference that screening showed: a cost is the sum of two of them. */
export const firstTest = (cells: readonly string[], pairedDeviation: number): InteractionTest => ({
  ...{ cells, seedsAsked: PAIRS_MIN, deviation: Math.SQRT2 * pairedDeviation },
})

/** The bounds before the first seed. */
export const interactionBounds = (rules: Pick<InteractionFile, 'alpha' | 'beta'>) =>
  boundsOf({ ...rules, test: 1 })
