import { recipeSha256Of } from '#domain/recipe.ts'
import { campaignRecipe } from '#protocol/campaign-recipe.ts'
import type { InteractionFile } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import { AGENT } from '#protocol/space.ts'
import { ExperimentId } from '#protocol/units.ts'
import { promotionFacts } from '#search/evidence.ts'
import {
  type ChosenCells,
  chooseCells,
  firstTest,
  interactionBounds,
  judgeInteraction,
  missingCells,
} from '#search/interaction-test.ts'
import type { PromotionFacts } from '#search/promotion.ts'
import { answeredText, asksText, settledText } from '#search/test-notes.ts'
import { addCampaignEvents } from '#store/events.ts'
import {
  experimentsWith,
  findInteraction,
  type InteractionRow,
  planFurther,
  putInteraction,
} from '#store/interactions.ts'
import { insertExperiments, type NewExperiment } from '#store/progress.ts'
import { countReports } from '#store/search.ts'
import { readRecipes, readRuns } from '#store/tests.ts'
import { createUnits, type NewRun } from './create-units.ts'
import type { Growing } from './grow.ts'
import { say } from './say.ts'
import type { Tester, TestsLeft } from './tests.ts'

/**
 * Answers the question of a locked campaign in which nothing more is tried or tested: chooses what to compare, runs fresh seeds on
 * the four cells until a sequential test of what exchanging the choices costs is decided, and writes down what came out.
 */
export async function moveInteraction(growth: Growing): Promise<TestsLeft> {
  const { trx, campaign } = growth
  const asked = campaign.file.interaction
  if (asked === undefined) return 'nothing'
  const row = await judgeQuestion(growth)
  const facts = await factsOf(growth)
  if (row === undefined || row.cells.length === 0)
    return facts.isScreened ? beginQuestion(growth, { asked, facts, before: row }) : 'later'
  const { seedsNext } = judgeInteraction(row, asked, facts)
  if (seedsNext === null) return row.state === 'running' ? 'later' : 'nothing'
  const more = { ...row, seedsAsked: seedsNext }
  await putInteraction(trx, campaign.id, more, growth.now)
  await createMissing(growth, more, facts)
  return 'now'
}

/** Judges the question of a locked campaign again by what is published now, and says so where an answer was reached or fell. */
export async function judgeQuestion(tester: Tester): Promise<InteractionRow | undefined> {
  const { trx, campaign, now } = tester
  const asked = campaign.file.interaction
  const row = asked === undefined ? undefined : await findInteraction(trx, campaign.id, asked)
  if (asked === undefined || row === undefined || row.cells.length === 0) return row
  const { costs, llr, state } = judgeInteraction(row, asked, await factsOf(tester))
  const judged = { ...row, costs: [...costs], llr, state }
  if (state === row.state && llr === row.llr && costs.length === row.costs.length) return row
  await putInteraction(trx, campaign.id, judged, now)
  if (state !== row.state) await tell(tester, judged, answeredText(asked, judged))
  return judged
}

const factsOf = async ({ trx, campaign: { id, file } }: Tester): Promise<PromotionFacts> =>
  promotionFacts({ file, runs: await readRuns(trx, id), tests: [], isTried: true, experiments: 0, units: 0 })

async function tell(tester: Tester, row: InteractionRow, text: string): Promise<void> {
  const { trx, campaign, now } = tester
  await say(tester, 'insight', text, row.cells)
  const detail = `does the best ${row.best} depend on ${row.by}: ${row.state.replaceAll('_', ' ')}`
  await addCampaignEvents(
    trx,
    [{ campaignId: campaign.id, event: 'verdict', experimentId: row.cells[0] ?? null, detail }],
    now,
  )
}

interface Question {
  readonly asked: InteractionFile
  readonly facts: PromotionFacts
  /** What was said when there was nothing to compare. */
  readonly before: InteractionRow | undefined
}

async function beginQuestion(growth: Growing, { asked, facts, before }: Question): Promise<TestsLeft> {
  const { trx, campaign, now } = growth
  const { best, by } = asked
  const chosen = await chooseFrom(growth, asked, facts)
  const bounds = interactionBounds(asked)
  if (chosen.type === 'settled') {
    const { state, why } = chosen
    if (before?.state === state && before.why === why) return 'nothing'
    const nothing = { cells: [], seedsAsked: 0, deviation: 0, costs: [], llr: 0 }
    const row: InteractionRow = { best, by, state, why, ...nothing, ...bounds }
    await putInteraction(trx, campaign.id, row, now)
    await tell(growth, row, settledText(asked, why))
    return 'nothing'
  }
  const cells = await experimentsOf(growth, chosen)
  const test = firstTest(cells, chosen.deviation)
  const row: InteractionRow = {
    best,
    by,
    state: 'running',
    why: null,
    ...test,
    cells,
    costs: [],
    llr: 0,
    ...bounds,
  }
  await putInteraction(trx, campaign.id, row, now)
  await say(growth, 'decision', asksText(asked, chosen.cells), cells)
  await createMissing(growth, row, facts)
  return 'now'
}

/** What to compare, by the screening of a campaign in which nothing more is tried. */
async function chooseFrom(
  { trx, campaign, plan, source }: Growing,
  asked: InteractionFile,
  facts: PromotionFacts,
) {
  const { baseline, candidates, deviation } = facts
  const ids = candidates.flatMap(({ id }) => (id === baseline ? [] : [ExperimentId.parse(id)]))
  const recipes = await readRecipes(trx, ids)
  const screened = candidates.flatMap(({ id, screening }) => {
    const recipe = recipes.get(ExperimentId.parse(id))
    return recipe === undefined || screening === null ? [] : [{ id, recipe, screening }]
  })
  const settle = (recipe: Recipe): Recipe | string => {
    const reply = campaignRecipe(campaign.file, source.manifest, recipe)
    if (!reply.ok) return reply.reason
    const point = plan.search?.space.settle(plan.search.space.encode(reply.recipe))
    return point === undefined || point.ok ? reply.recipe : point.reason
  }
  const chosen = chooseCells(asked, screened, { goal: campaign.file.metric.goal, settle })
  if (chosen.type === 'settled') return chosen
  if (deviation !== null) return { ...chosen, deviation }
  const why = 'too few experiments have two seeds with a value: the scatter is unknown'
  return { type: 'settled', state: 'not_measured', why } as const
}

/** The experiments that have the recipes of the four cells; those that nobody tried are added, with their screening seeds. */
async function experimentsOf(growth: Growing, { cells }: ChosenCells): Promise<ExperimentId[]> {
  const { trx, deps, campaign, now } = growth
  const hashes = cells.map(recipeSha256Of)
  const known = new Map(
    (await experimentsWith(trx, campaign.id, hashes)).map(row => [row.recipeSha256, row.id]),
  )
  const asked = await countReports(trx, campaign.id)
  const added: NewExperiment[] = []
  for (const [i, recipe] of cells.entries()) {
    const recipeSha256 = hashes[i]
    if (recipeSha256 === undefined || known.has(recipeSha256)) continue
    const id = deps.ids.experiment(now)
    known.set(recipeSha256, id)
    const ordinal = campaign.experimentsCreated + added.length
    added.push({
      ...{ id, ordinal, recipe, recipeSha256, asked, revision: campaign.revision },
      ...{ proposer: AGENT, promotions: 0, proposerId: null },
    })
  }
  await planFurther(trx, campaign.id, added.length)
  await insertExperiments(trx, campaign.id, added, now)
  const { seeds } = campaign.file.replicate
  await createUnits(
    growth,
    added.flatMap(({ id: experimentId, recipe }) =>
      Array.from({ length: seeds }, (_, seedIndex) => ({ experimentId, recipe, seedIndex })),
    ),
  )
  return hashes.flatMap(hash => known.get(hash) ?? [])
}

async function createMissing(
  growth: Growing,
  { cells, seedsAsked }: Pick<InteractionRow, 'cells' | 'seedsAsked'>,
  { created }: PromotionFacts,
): Promise<void> {
  const recipes = await readRecipes(growth.trx, cells)
  const runs = missingCells({ cells, seedsAsked }, created).flatMap(({ id, seedIndex }): NewRun[] => {
    const experimentId = ExperimentId.parse(id)
    const recipe = recipes.get(experimentId)
    return recipe === undefined ? [] : [{ experimentId, recipe, seedIndex }]
  })
  await createUnits(growth, runs)
}
