import { type Mean, meanOf } from '#domain/comparison.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import type { InteractionFile } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import { PAIRS_MAX } from '#protocol/limits.ts'
import type { Proposer } from '#protocol/space.ts'
import { sharesOf, standingsOf } from './bandit.ts'
import type { History, Promotion } from './history.ts'
import type { ChosenCells, JudgedInteraction } from './interaction-test.ts'
import type { Plateau } from './plateau.ts'
import type { DoneReason, PromotionFacts, TestFacts, TestState } from './promotion.ts'

// What the server's agent writes down: always what was compared, by how many seeds, and the numbers that decided.

/** `0.1234 ± 0.0056 (n = 8)` */
export const meanText = ({ mean, ci95, n }: Mean): string =>
  `${mean.toFixed(4)}${ci95 === null ? '' : ` ± ${ci95.toFixed(4)}`} (n = ${n})`

/** What the campaign varies; the rest is the same on both sides. */
const recipeText = (recipe: Recipe | undefined, { space }: Pick<CampaignFile, 'space'>): string =>
  Object.keys(space)
    .sort()
    .map(name => `${name}=${recipe?.[name]}`)
    .join(' ')

type Recipes = ReadonlyMap<string, Recipe>

export function beginsText(
  test: TestFacts,
  facts: PromotionFacts,
  { file, recipes }: { file: CampaignFile; recipes: Recipes },
): string {
  const screening = (id: string): string =>
    facts.candidates.find(candidate => candidate.id === id)?.screening?.toFixed(4) ?? 'unknown'
  const { number, incumbent, challenger, firstSeed } = test
  return [
    `Test ${number} begins: is ${challenger} better than ${incumbent}?`,
    `Challenger: ${recipeText(recipes.get(challenger), file)}; mean over ${facts.rules.seeds} screening seeds ${screening(challenger)}.`,
    `Incumbent: ${recipeText(recipes.get(incumbent), file)}; ${screening(incumbent)}.`,
    `Pairs on fresh seeds from index ${firstSeed} on; the gain worth finding is ${facts.rules.effect}.`,
  ].join('\n')
}

/** A test as it was decided. */
interface Decided {
  readonly number: number
  readonly challenger: string
  readonly incumbent: string
  readonly state: TestState
  readonly gains: readonly number[]
  readonly llr: number
  readonly lower: number
  readonly upper: number
}

export function decidedText(test: Decided): string {
  const { number, challenger, incumbent, state, llr, lower, upper } = test
  const gain = meanOf(test.gains)
  const words = {
    promoted: `${challenger} is better than ${incumbent}: it is the incumbent now.`,
    rejected: `${challenger} is not better than ${incumbent} by the effect asked for.`,
    undecided: `It stays open whether ${challenger} is better than ${incumbent}.`,
    running: `The verdict on ${challenger} was withdrawn with a result that it rested on.`,
  }[state]
  return [
    `Test ${number}: ${words}`,
    gain === null ? 'No pair has a value on both sides.' : `Mean gain over fresh pairs ${meanText(gain)}.`,
    `LLR ${llr.toFixed(2)}; promoted from ${upper.toFixed(2)}, rejected from ${lower.toFixed(2)}.`,
  ].join('\n')
}

export const plateauText = ({ gain, window }: Plateau, effect: number): string =>
  `Nothing more is tried: over the last ${window} experiments the best fell by ${gain.toPrecision(3)}, less than the effect ${effect}.`

const WHY: Readonly<Record<DoneReason, string>> = {
  no_challenger: 'no experiment screened by half the effect better than the incumbent that was not tested',
  credit: 'the budget for tests is spent',
  no_replicates: 'too few experiments have two seeds with a value: the scatter is unknown',
  no_baseline: 'the unchanged recipe has no value to beat on its screening seeds',
}

export const endsText = (
  why: DoneReason,
  incumbent: string,
  { file, recipes }: { file: CampaignFile; recipes: Recipes },
): string =>
  `No more tests: ${WHY[why]}.\nThe incumbent is ${incumbent}: ${recipeText(recipes.get(incumbent), file)}.`

/** Which proposer is asked for how much of what is tried next, and by which promotions. */
export function sharesText(
  names: readonly Proposer[],
  history: History & { readonly trials: readonly { readonly id: string }[] },
  promoted: readonly Promotion[],
): string {
  const standings = standingsOf(names, history)
  const shares = sharesOf(standings)
  return [
    ...promoted.map(({ ordinal, stands }) => {
      const trial = history.trials[ordinal]
      const who = `${trial?.id}, which ${trial?.proposer ?? 'nobody known'} proposed,`
      return stands ? `${who} passed its test.` : `${who} is promoted no more: its test lost a result.`
    }),
    'Who proposes what is tried next goes by such promotions:',
    ...standings.map(({ name, tried, promoted: passed }) => {
      const share = Math.round(100 * (shares.get(name) ?? 0))
      return `${name}: ${passed} promoted of ${tried} tried; about ${share} % of what comes next.`
    }),
  ].join('\n')
}

const questionText = ({ best, by }: InteractionFile): string => `Does the best ${best} depend on ${by}?`

/** What is compared, and on which seeds. */
export function asksText(asked: InteractionFile, [low, high]: ChosenCells['cells']): string {
  const { best, by, effect } = asked
  return [
    `${questionText(asked)} At ${by}=${low[by]} the best is ${best}=${low[best]}, at ${by}=${high[by]} it is ${best}=${high[best]}.`,
    `Both choices now run at both levels on fresh seeds, all else as it was, until it is clear whether exchanging them costs ${effect} or nothing, both levels together, or ${PAIRS_MAX} seeds are run.`,
  ].join('\n')
}

export const settledText = (asked: InteractionFile, why: string): string =>
  `${questionText(asked)} There is nothing to compare: ${why}.`

type Answer = Pick<JudgedInteraction, 'costs' | 'llr' | 'lower' | 'upper' | 'state'>

export function answeredText(asked: InteractionFile, { costs, llr, lower, upper, state }: Answer): string {
  const cost = meanOf(costs)
  const words = {
    depends: 'It does: each level keeps its own choice.',
    no_dependence: `Not by as much as ${asked.effect}: exchanging the choices costs less.`,
    undecided: 'It stays open: the seeds that were asked for do not tell.',
    running: 'It is open again: an answer was withdrawn with a result that it rested on.',
    ...{ same_choice: '', not_measured: '' },
  }[state]
  return [
    `${questionText(asked)} ${words}`,
    cost === null
      ? 'No seed has a value in all four cells.'
      : `Exchanging the choices costs ${meanText(cost)} on fresh seeds, both levels together.`,
    `LLR ${llr.toFixed(2)}; it depends from ${upper.toFixed(2)}, it does not from ${lower.toFixed(2)}.`,
  ].join('\n')
}
