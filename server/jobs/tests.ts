import { testUnitsOf } from '#domain/campaign.ts'
import { invariant } from '#domain/invariant.ts'
import { ExperimentId } from '#protocol/units.ts'
import { promotionFacts } from '#search/evidence.ts'
import { plateauOf } from '#search/plateau.ts'
import {
  incumbentOf,
  type Judged,
  judge,
  missingRuns,
  nextStep,
  type PromotionFacts,
  stateOf,
  type TestFacts,
} from '#search/promotion.ts'
import { boundsOf } from '#search/sprt.ts'
import { beginsText, endsText, plateauText } from '#search/test-notes.ts'
import type { ProgressRow } from '#store/progress.ts'
import {
  endTrying,
  insertTest,
  readRecipes,
  readRuns,
  readTests,
  type TestRow,
  updateTest,
} from '#store/tests.ts'
import { createUnits, type Growth } from './create-units.ts'
import { say } from './say.ts'
import { tellVerdicts } from './verdicts.ts'

/** What the tests of a campaign need of the job that moves it on. */
export type Tester = Pick<Growth, 'trx' | 'deps' | 'now'> & { readonly campaign: ProgressRow }

/** `now`: look again at once; `later`: runs are awaited; `nothing`: no test is left to run. */
export type TestsLeft = 'now' | 'later' | 'nothing'

/**
 * Moves the sequential tests of a locked, running campaign on: judges them by what is published, begins the next one, asks for
 * more pairs, and writes down what was decided and why. `isTried`: nothing more will be tried.
 */
export async function moveTests(growth: Growth, isTried: boolean): Promise<TestsLeft> {
  const evidence = await judgeTests(growth, isTried)
  if (evidence === undefined) return 'nothing'
  const { facts, judged } = evidence
  invariant(facts.baseline !== '', 'a campaign that tests has its unchanged recipe')
  await stopTrying(growth, evidence)
  const step = nextStep(facts, judged)
  switch (step.type) {
    case 'wait':
      return 'later'
    case 'start':
      await begin(growth, step.test, facts)
      return 'now'
    case 'ask': {
      const test = facts.tests[step.number - 1]
      invariant(test !== undefined, 'more is asked for of tests that were begun')
      await askMore(growth, { ...test, pairsAsked: step.pairsAsked }, evidence)
      return 'now'
    }
    case 'done': {
      const incumbent = incumbentNow(evidence)
      const recipes = await readRecipes(growth.trx, [incumbent])
      await say(growth, 'insight', endsText(step.why, incumbent, { file: growth.campaign.file, recipes }), [
        incumbent,
      ])
      return 'nothing'
    }
  }
}

interface Judgements {
  readonly facts: PromotionFacts
  readonly judged: readonly Judged[]
  /** Numbers of the tests whose verdict nobody may know yet. */
  readonly untold: ReadonlySet<number>
}

/**
 * Judges the tests of a locked campaign again by what is published now, and tells verdicts that were reached or fell; undefined
 * when it tests nothing.
 */
export async function judgeTests(tester: Tester, isTried = true): Promise<Judgements | undefined> {
  const { trx, campaign, now } = tester
  if (campaign.file.stop?.sprt === undefined) return undefined
  const tests = await readTests(trx, campaign.id)
  const facts = promotionFacts({
    ...{ file: campaign.file, runs: await readRuns(trx, campaign.id), tests, isTried },
    // Beside tests runs are stopped early where the file says so; then nobody knows how many come to the end.
    experiments: (campaign.file.stop.prune ?? 'none') === 'none' ? campaign.experimentsCreated : 0,
    units: testUnitsOf(campaign.file),
  })
  const judged = tests.map(test => judge(test, facts))
  for (const [i, test] of tests.entries()) {
    const judgement = judged[i]
    if (judgement === undefined) continue
    const state = stateOf(test, judgement, facts)
    if (!isNew(test, judgement, state)) continue
    const { gains, llr } = judgement
    await updateTest(trx, campaign.id, { ...test, state, gains: [...gains], llr }, now)
  }
  return { facts, judged, untold: await tellVerdicts(tester, campaign.id) }
}

const isNew = (test: TestRow, { gains, llr }: Judged, state: TestRow['state']): boolean =>
  state !== test.state || llr !== test.llr || gains.length !== test.gains.length

const incumbentNow = ({ facts, judged }: Judgements): ExperimentId =>
  ExperimentId.parse(
    incumbentOf(facts.baseline, facts.tests, test => judged[test.number - 1]?.state === 'promote'),
  )

/** Ends the trying where the file says so: nothing got better for long, or one was promoted. */
async function stopTrying(growth: Growth, { facts, judged, untold }: Judgements): Promise<void> {
  const { trx, campaign } = growth
  const at = campaign.file.stop?.at
  if (at === undefined || campaign.endedBy !== null) return
  if (at === 'promotion') {
    const isPromoted = judged.some(({ state }, i) => state === 'promote' && !untold.has(i + 1))
    if (isPromoted) await endTrying(trx, campaign.id, 'promotion')
    return
  }
  const sign = facts.rules.goal === 'minimize' ? 1 : -1
  const losses = facts.candidates.flatMap(({ id, screening }) =>
    screening === null || id === facts.baseline ? [] : [sign * screening],
  )
  const plateau = plateauOf(losses, facts.rules.effect)
  if (!plateau.isFlat) return
  await endTrying(trx, campaign.id, 'plateau')
  await say(growth, 'decision', plateauText(plateau, facts.rules.effect), [])
}

async function begin(growth: Growth, test: TestFacts, facts: PromotionFacts): Promise<void> {
  const { trx, campaign, now } = growth
  const [incumbent, challenger] = [ExperimentId.parse(test.incumbent), ExperimentId.parse(test.challenger)]
  const { lower, upper } = boundsOf({ ...facts.rules, test: test.number })
  await insertTest(trx, campaign.id, { ...test, incumbent, challenger, lower, upper }, now)
  const recipes = await createMissing(growth, test, facts)
  await say(growth, 'decision', beginsText(test, facts, { file: campaign.file, recipes }), [
    challenger,
    incumbent,
  ])
}

async function askMore(growth: Growth, test: TestFacts, { facts }: Judgements): Promise<void> {
  const { gains, llr } = judge(test, facts)
  await updateTest(
    growth.trx,
    growth.campaign.id,
    { ...test, state: 'running', gains: [...gains], llr },
    growth.now,
  )
  await createMissing(growth, test, facts)
}

async function createMissing(growth: Growth, test: TestFacts, facts: PromotionFacts) {
  const recipes = await readRecipes(
    growth.trx,
    [test.incumbent, test.challenger].map(id => ExperimentId.parse(id)),
  )
  const runs = missingRuns(test, facts).map(({ id, seedIndex }) => {
    const experimentId = ExperimentId.parse(id)
    const recipe = recipes.get(experimentId)
    invariant(recipe !== undefined, 'a test is of experiments that are there')
    return { experimentId, recipe, seedIndex }
  })
  await createUnits(growth, runs)
  return recipes
}
