import { PAIRS_MAX, PAIRS_MIN } from '#protocol/limits.ts'
import type { Goal } from './history.ts'
import { type SprtVerdict, sprt } from './sprt.ts'

/** How a published run ended; of one that is not published, or only provisionally, nothing is known. */
export type RunOutcome =
  | { readonly state: 'ok'; readonly value: number }
  | { readonly state: 'diverged' }
  | { readonly state: 'failed' } // nobody could compute it

/** An experiment whose screening is over. */
export interface Candidate {
  readonly id: string
  readonly recipeKey: string
  /** Mean over the screening seeds; null when any of them diverged or failed. */
  readonly screening: number | null
}

/** A sequential test as it was begun. */
export interface TestFacts {
  readonly number: number
  readonly incumbent: string
  readonly challenger: string
  /** Seed index of its first pair. */
  readonly firstSeed: number
  readonly pairsAsked: number
  /** Of a paired difference, as screening showed it when the test began. */
  readonly deviation: number
}

export interface PromotionRules {
  readonly goal: Goal
  readonly effect: number
  readonly alpha: number
  readonly beta: number
  /** Seeds that screening uses; those from this index on are fresh. */
  readonly seeds: number
}

export interface PromotionFacts {
  readonly rules: PromotionRules
  /** The unchanged recipe: the first incumbent. */
  readonly baseline: string
  readonly candidates: readonly Candidate[]
  readonly tests: readonly TestFacts[] // by number
  /** What is known of the runs of an experiment, by seed index. */
  readonly runs: ReadonlyMap<string, ReadonlyMap<number, RunOutcome>>
  /** Seed indexes of the runs that exist, with an outcome or without. */
  readonly created: ReadonlyMap<string, ReadonlySet<number>>
  /** Of a paired difference by screening; null: no replicates to tell it from. */
  readonly deviation: number | null
  /** Runs that the budget for tests still allows. */
  readonly runsLeft: number
  /** Nothing more is tried. */
  readonly isScreened: boolean
  /** Experiments whose screening is over, the baseline not counted. */
  readonly finished: number
}

export interface Judged extends SprtVerdict {
  /** Of the challenger by pair; pairs without a value on the incumbent's side are left out. */
  readonly gains: readonly number[]
  /** All pairs that were asked for have come in. */
  readonly isComplete: boolean
}

/** What to do next about a campaign's tests. */
export type NextStep =
  | { readonly type: 'start'; readonly test: TestFacts }
  | { readonly type: 'ask'; readonly number: number; readonly pairsAsked: number }
  | { readonly type: 'wait' }
  | { readonly type: 'done'; readonly why: DoneReason }

/** Why no more tests are begun: nobody is left who looked better, no credit, no noise to compare with, no value to beat. */
export type DoneReason = 'no_challenger' | 'credit' | 'no_replicates' | 'no_baseline'

// While a campaign still tries, one test for so many experiments: who proposed what is promoted early gets more of the budget.
const FINISHED_PER_TEST = 20
// A challenger that screened by less than half the effect is not worth fresh seeds.
const GAIN_SHARE_MIN = 0.5
// Asked pairs grow by half: few rounds for the hosts, and at most half of a test's pairs are more than it needed.
const GROWTH = 1.5

/**
 * What a test says by the pairs that have come in, in the order of their seeds up to the first that has not: a late pair
 * changes no verdict, and a retracted one takes back what rested on it. A challenger that diverges where the incumbent does
 * not is rejected; where the incumbent has no value, or nobody could compute the challenger's, the pair says nothing.
 */
export function judge(test: TestFacts, { rules, runs }: Pick<PromotionFacts, 'rules' | 'runs'>): Judged {
  const [ours, theirs] = [runs.get(test.challenger), runs.get(test.incumbent)]
  const sign = rules.goal === 'minimize' ? 1 : -1
  const gains: number[] = []
  const verdict = (): SprtVerdict => sprt({ ...rules, gains, deviation: test.deviation, test: test.number })
  for (let pair = 0; pair < test.pairsAsked; pair++) {
    const [our, their] = [ours?.get(test.firstSeed + pair), theirs?.get(test.firstSeed + pair)]
    if (our === undefined || their === undefined) return { ...verdict(), gains, isComplete: false }
    if (their.state !== 'ok' || our.state === 'failed') continue
    if (our.state === 'diverged') {
      const before = verdict()
      const state = before.state === 'more' ? 'reject' : before.state
      return { ...before, state, gains, isComplete: true }
    }
    gains.push(sign * (their.value - our.value))
  }
  return { ...verdict(), gains, isComplete: true }
}

/** Who stands as the best so far: the baseline, or who was promoted over it, and so on, by the tests in their order. */
export function incumbentOf(
  baseline: string,
  tests: readonly TestFacts[],
  isPromoted: (test: TestFacts) => boolean,
): string {
  let incumbent = baseline
  for (const test of tests) if (test.incumbent === incumbent && isPromoted(test)) incumbent = test.challenger
  return incumbent
}

/**
 * Pure: the same facts give the same step, so that a killed job takes it again. One test runs at a time.
 * @param judgements what `judge` says of each of `facts.tests`
 */
export function nextStep(facts: PromotionFacts, judgements: readonly Judged[]): NextStep {
  const { tests, isScreened, finished } = facts
  const judged = tests.flatMap((test, i) => {
    const judgement = judgements[i]
    return judgement === undefined ? [] : [{ test, ...judgement }]
  })
  const open = judged.find(({ state }) => state === 'more')
  if (open !== undefined) {
    if (!open.isComplete) return { type: 'wait' }
    const pairsAsked = morePairs(open.test, facts)
    if (pairsAsked > open.test.pairsAsked) return { type: 'ask', number: open.test.number, pairsAsked }
  }
  if (!isScreened && tests.length >= Math.floor(finished / FINISHED_PER_TEST)) return { type: 'wait' }
  const promoted = new Set(judged.flatMap(({ test, state }) => (state === 'promote' ? [test] : [])))
  const step = begin(
    facts,
    incumbentOf(facts.baseline, tests, test => promoted.has(test)),
  )
  return step.type === 'done' && !isScreened ? { type: 'wait' } : step
}

export type TestState = 'running' | 'promoted' | 'rejected' | 'undecided'

/** How a test stands: one that decides nothing by all its pairs and gets no more is undecided. */
export function stateOf(test: TestFacts, { state, isComplete }: Judged, facts: PromotionFacts): TestState {
  if (state === 'promote') return 'promoted'
  if (state === 'reject') return 'rejected'
  if (state === 'undecided') return 'undecided'
  return isComplete && morePairs(test, facts) === test.pairsAsked ? 'undecided' : 'running'
}

function begin(facts: PromotionFacts, incumbent: string): NextStep {
  const { rules, candidates, tests, deviation } = facts
  const known = candidates.find(({ id }) => id === incumbent)
  if (known === undefined && !facts.isScreened) return { type: 'wait' }
  if (known?.screening === undefined || known.screening === null) return { type: 'done', why: 'no_baseline' }
  if (deviation === null) return { type: 'done', why: 'no_replicates' }
  const sign = rules.goal === 'minimize' ? 1 : -1
  const tested = new Set(tests.map(({ challenger }) => challenger))
  let challenger: { id: string; gain: number } | undefined
  for (const { id, recipeKey, screening } of candidates) {
    if (screening === null || id === incumbent || recipeKey === known.recipeKey || tested.has(id)) continue
    const gain = sign * (known.screening - screening)
    if (gain >= GAIN_SHARE_MIN * rules.effect && gain > (challenger?.gain ?? -Infinity))
      challenger = { id, gain }
  }
  if (challenger === undefined) return { type: 'done', why: 'no_challenger' }
  const test: TestFacts = {
    ...{ number: tests.length + 1, incumbent, challenger: challenger.id, deviation },
    ...{ firstSeed: firstSeedOf(incumbent, facts), pairsAsked: PAIRS_MIN },
  }
  return runsOf(test, PAIRS_MIN, facts) > facts.runsLeft
    ? { type: 'done', why: 'credit' }
    : { type: 'start', test }
}

/**
 * Tests of one incumbent share its fresh runs, which no choice rested on yet. A new incumbent was chosen by its runs: it
 * starts on seeds of its own.
 */
function firstSeedOf(incumbent: string, { tests, rules }: PromotionFacts): number {
  const same = tests.find(test => test.incumbent === incumbent)
  if (same !== undefined) return same.firstSeed
  return tests.reduce((next, { firstSeed }) => Math.max(next, firstSeed + PAIRS_MAX), rules.seeds)
}

/** How many pairs a complete test that decides nothing asks for: as many as before when it can have no more. */
function morePairs(test: TestFacts, facts: PromotionFacts): number {
  const wanted = Math.min(PAIRS_MAX, Math.ceil(test.pairsAsked * GROWTH))
  for (let pairs = wanted; pairs > test.pairsAsked; pairs--)
    if (runsOf(test, pairs, facts) <= facts.runsLeft) return pairs
  return test.pairsAsked
}

/** How many runs do not exist yet of those that so many pairs take. */
const runsOf = (test: TestFacts, pairs: number, facts: PromotionFacts): number =>
  missingRuns({ ...test, pairsAsked: pairs }, facts).length

/** The runs that a test asked for and that do not exist yet. */
export function missingRuns(
  { incumbent, challenger, firstSeed, pairsAsked }: TestFacts,
  { created }: Pick<PromotionFacts, 'created'>,
): readonly { readonly id: string; readonly seedIndex: number }[] {
  return [incumbent, challenger].flatMap(id =>
    Array.from({ length: pairsAsked }, (_, pair) => firstSeed + pair)
      .filter(seedIndex => created.get(id)?.has(seedIndex) !== true)
      .map(seedIndex => ({ id, seedIndex })),
  )
}
