// What a campaign knows now, in one sentence: chosen here, so that it can be tested without a page.

import type { CampaignView } from '#protocol/campaign.ts'
import type { CompareView, MeanView, TestList, TestView } from '#protocol/tests.ts'
import { interval, setting } from './format.ts'
import { changesOf } from './recipes.ts'

/** Two recipes of which the answer tells, and the test that compares them on seeds of its own, where there is one. */
export interface Pair {
  readonly a: string
  readonly b: string
  readonly test: TestView | undefined
}

/**
 * Whom the answer is about: what was promoted last; else what is being tested, or was last; else the best beside the unchanged recipe.
 * Undefined where there is nothing to compare.
 */
export function pairOf(
  { tests, incumbent }: Pick<TestList, 'tests' | 'incumbent'>,
  best: CampaignView['best'],
): Pair | undefined {
  const test =
    tests.findLast(({ state }) => state === 'promoted') ??
    tests.findLast(({ state }) => state === 'running') ??
    tests.at(-1)
  if (test !== undefined) return { a: test.challenger, b: test.incumbent, test }
  if (best === null || incumbent === null || best.experimentId === incumbent) return undefined
  return { a: best.experimentId, b: incumbent, test: undefined }
}

/** The test whose evidence is shown as it grows: the one that runs, else the one that the answer rests on. */
export const watchedIn = ({ tests }: Pick<TestList, 'tests'>): TestView | undefined =>
  tests.findLast(({ state }) => state === 'running') ??
  tests.findLast(({ state }) => state === 'promoted') ??
  tests.at(-1)

export interface Answer {
  /** What was changed, where two recipes are compared. */
  readonly subject?: string
  readonly says: string
  /** Why not to rely on it yet. */
  readonly caution?: string
}

interface Known {
  readonly campaign: Pick<CampaignView, 'metric' | 'best' | 'experiments'>
  readonly tests: TestList
  readonly pair: Pair | undefined
  /** Undefined until it is known, and where it may not be told. */
  readonly compared: CompareView | undefined
}

/** The sentence at the head of a campaign. */
export function answerOf({ campaign: { best, metric }, tests, pair, compared }: Known): Answer {
  if (best === null) return { says: 'No run is valid yet. The first values appear when two machines agree.' }
  const changed = compared === undefined ? '' : changesOf(compared.b.recipe, compared.a.recipe)
  if (pair?.test !== undefined) return testedAnswer(pair.test, { changed, metric, effect: tests.effect })
  if (compared?.difference != null) return comparedAnswer(compared, changed)
  const unsure = tests.effect === null ? 'this campaign tests nothing' : 'nothing is tested yet'
  return {
    says: `The best recipe so far reaches ${metric.name} ${interval(best)} (${seeds(best)}).`,
    caution: `${CHOSEN}; ${unsure}.`,
  }
}

const CHOSEN = 'It leads by its mean, and the best of many looks better than it is'

type Metric = CampaignView['metric']

interface Tested {
  readonly changed: string
  readonly metric: Metric
  readonly effect: number | null
}

function testedAnswer({ state, gain }: TestView, { changed, metric, effect }: Tested): Answer {
  const subject = changed === '' ? 'The challenger' : changed
  if (gain === null) return { subject, says: 'is being tested on fresh seeds against what leads.' }
  const far = `${gainText(metric, gain)} (95 %, n=${gain.n} pairs of fresh seeds)`
  switch (state) {
    case 'promoted':
      return { subject, says: `${far}: a sequential test promoted it.` }
    case 'rejected':
      return {
        subject,
        says: `${far}: a sequential test found less than ${setting(effect ?? 0)}, which is what is worth finding.`,
      }
    case 'running':
      return {
        subject,
        says: `${far} so far.`,
        caution: 'The test goes on until the evidence reaches a bound.',
      }
    default:
      return { subject, says: `${far}.`, caution: 'The test ended undecided.' }
  }
}

function comparedAnswer({ difference, verdict, metric }: CompareView, changed: string): Answer {
  const sign = metric.goal === 'minimize' ? -1 : 1
  const gain = { ...(difference ?? NOTHING), mean: sign * (difference?.mean ?? 0) }
  const far = `${gainText(metric, gain)} (95 %, ${seeds(gain)})`
  const says = {
    a_better: `${far} against the unchanged recipe.`,
    b_better: `${far} against the unchanged recipe: its place comes from other seeds.`,
    no_difference_shown: `${far} against the unchanged recipe: no difference is shown.`,
    too_few_pairs: `${far} against the unchanged recipe: too few seeds to be sure.`,
  }[verdict]
  const subject = changed === '' ? 'The best recipe' : changed
  return { subject, says, caution: `${CHOSEN}; no test on fresh seeds has confirmed it.` }
}

const NOTHING: MeanView = { n: 0, mean: 0, ci95: null }

/** `lowers val_bpb by 0.0210 [0.0090, 0.0330]`; a gain is positive where the challenger is better, whatever the goal. */
function gainText({ name, goal }: Metric, gain: MeanView): string {
  const isFall = gain.mean >= 0 === (goal === 'minimize')
  const size = { ...gain, mean: Math.abs(gain.mean) }
  return `${isFall ? 'lowers' : 'raises'} ${name} by ${interval(size)}`
}

const seeds = ({ n }: { readonly n: number }): string => `n=${n} ${n === 1 ? 'seed' : 'seeds'}`
