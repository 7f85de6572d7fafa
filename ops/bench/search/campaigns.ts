import {
  type Judged,
  judge,
  missingRuns,
  nextStep,
  type PromotionFacts,
  type RunOutcome,
} from '#search/promotion.ts'
import { pairedDeviation } from '#search/statistics.ts'
import { type Stream, streamOf } from '#search/stream.ts'
import type { Errors } from './promotions.ts'

const CANDIDATES = 100
const FIRST = 10
// Experiments that tell the scatter.
const REPLICATED = 8

/**
 * What `promotionErrors` asks, of the decision that campaigns make: simulated campaigns of 100 candidates whose screening makes
 * every one of them look better than the baseline, so that all are tested, one after the other, on the fresh runs that
 * `nextStep` asks for; `seeds` screening seeds tell the scatter. In every campaign without merit nothing may be promoted; in
 * every other one of the first ten is better by one seed deviation.
 */
export function campaignErrors({
  campaigns,
  effect,
  seeds,
}: Record<'campaigns' | 'effect' | 'seeds', number>): Errors {
  let [falsely, missed, tested] = [0, 0, 0]
  for (let campaign = 0; campaign < campaigns; campaign++) {
    const stream = streamOf(campaign, seeds)
    if (promotedOf(stream, { effect, seeds, good: -1 }).promoted.size > 0) falsely++
    const good = 1 + stream.below(FIRST)
    const { promoted, challengers } = promotedOf(stream, { effect, seeds, good })
    if (!challengers.has(`${good}`)) continue // one without merit was promoted before, and looked better
    tested++
    if (!promoted.has(`${good}`)) missed++
  }
  return { falsely: falsely / campaigns, missed: missed / tested }
}

interface Sides {
  readonly runs: Map<string, Map<number, RunOutcome>>
  readonly created: Map<string, Set<number>>
}

interface Outcome {
  readonly challengers: ReadonlySet<string>
  readonly promoted: ReadonlySet<string>
}

/** Who is tested and who promoted in one campaign: candidate `good` is better by 1 than the others; with one, only the first ten are tested. */
function promotedOf(
  stream: Stream,
  { effect, seeds, good }: { effect: number; seeds: number; good: number },
): Outcome {
  const screened = Array.from(
    { length: CANDIDATES },
    () => new Map(Array.from({ length: seeds }, (_, seed) => [seed, stream.normal()])),
  )
  const sides: Sides = { runs: new Map(), created: new Map() }
  const ids = ['base', ...screened.map((_, i) => `${i + 1}`)]
  for (const id of ids) {
    sides.runs.set(id, new Map())
    sides.created.set(id, new Set())
  }
  const facts: PromotionFacts = {
    rules: { goal: 'minimize', effect, alpha: 0.05, beta: 0.05, seeds },
    ...{ ...sides, baseline: 'base', tests: [], deviation: pairedDeviation(screened.slice(0, REPLICATED)) },
    ...{ runsLeft: Infinity, isScreened: true, finished: CANDIDATES },
    candidates: ids.map((id, i) => ({ id, recipeKey: id, screening: i === 0 ? 2 * CANDIDATES : i })),
  }
  const last = good < 0 ? CANDIDATES : FIRST
  return play(facts, { sides, last }, id => stream.normal() - (id === `${good}` ? 1 : 0))
}

function play(
  start: PromotionFacts,
  { sides, last }: { sides: Sides; last: number },
  compute: (id: string) => number,
): Outcome {
  let facts = start
  const judgements: Judged[] = []
  for (;;) {
    const step = nextStep(facts, judgements)
    if (step.type === 'wait') throw new Error('every run has been computed')
    if (step.type === 'done' || (step.type === 'start' && step.test.number > last)) break
    const test = step.type === 'start' ? step.test : facts.tests[step.number - 1]
    if (test === undefined) throw new Error('more is asked for of tests that were begun')
    const asked = step.type === 'ask' ? { ...test, pairsAsked: step.pairsAsked } : test
    for (const { id, seedIndex } of missingRuns(asked, facts)) {
      sides.created.get(id)?.add(seedIndex)
      sides.runs.get(id)?.set(seedIndex, { state: 'ok', value: compute(id) })
    }
    facts = { ...facts, tests: [...facts.tests.slice(0, asked.number - 1), asked] }
    judgements[asked.number - 1] = judge(asked, facts)
  }
  return {
    challengers: new Set(facts.tests.map(({ challenger }) => challenger)),
    promoted: new Set(
      facts.tests.flatMap(({ challenger }, i) => (judgements[i]?.state === 'promote' ? [challenger] : [])),
    ),
  }
}
