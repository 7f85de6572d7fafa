import type { RequestHandler } from 'express'
import { z } from 'zod'
import { testUnitsOf } from '#domain/campaign.ts'
import { meanOf, verdictOf } from '#domain/comparison.ts'
import { INTERACTION_FIRST_SEED } from '#protocol/limits.ts'
import type { CompareView, TestList, TestView } from '#protocol/tests.ts'
import { ExperimentId, toWire } from '#protocol/units.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import type { Executor } from '#store/rows.ts'
import { type RunRow, readRecipes, readRuns, readTests, type TestRow } from '#store/tests.ts'
import { withheldOf } from '#store/withheld.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** GET /campaigns/:id/tests: the sequential tests of a campaign with their bounds, as they stand. */
export function showTests(edge: Edge): RequestHandler {
  return async (req, res) => {
    const campaign = await campaignOf(edge, req)
    const tests = await readTests(edge.knex, campaign.id)
    const runs = await readRuns(edge.knex, campaign.id, { fromSeed: campaign.file.replicate.seeds })
    const withheld = new Set(await withheldOf(edge.knex, campaign, edge.trust.rules))
    res.json(viewTests(campaign, { tests, runs, withheld }))
  }
}

/** The unchanged recipe among the runs of a campaign; null where it was not run. */
export const baselineOf = (runs: readonly RunRow[]): ExperimentId | null =>
  runs.find(run => run.baseline)?.experimentId ?? null

interface Known {
  readonly tests: readonly TestRow[]
  /** Those on fresh seeds, and those of the unchanged recipe; more do no harm. */
  readonly runs: readonly RunRow[]
  /** Experiments that the leaderboard does not show yet. */
  readonly withheld: ReadonlySet<ExperimentId>
}

/** The tests of a campaign and who holds the title. Of a test with a side that is withheld it is said only that it runs. */
export function viewTests(
  { id, file }: Pick<CampaignRow, 'id' | 'file'>,
  { runs, withheld, ...known }: Known,
): TestList {
  const { stop, replicate } = file
  const tests = toldOf(known.tests, withheld)
  const incumbent = tests.reduce(
    (holder, test) => (test.state === 'promoted' && test.incumbent === holder ? test.challenger : holder),
    baselineOf(runs),
  )
  return {
    ...{ campaignId: id, effect: stop?.sprt?.effect ?? null, incumbent },
    tests: tests.map(test => viewTest(test, stop?.sprt?.alpha ?? 0)),
    budget: {
      units: testUnitsOf(file),
      used: runs.filter(({ seedIndex }) => seedIndex >= replicate.seeds && seedIndex < INTERACTION_FIRST_SEED)
        .length,
    },
  }
}

/** Tests as anyone may see them: of one with a side that is withheld it is said only that it runs. */
export const toldOf = (tests: readonly TestRow[], withheld: ReadonlySet<ExperimentId>): TestRow[] =>
  tests.map(test => (withheld.has(test.challenger) || withheld.has(test.incumbent) ? untold(test) : test))

const untold = (test: TestRow): TestRow => ({ ...test, state: 'running', gains: [], llr: 0, decidedAt: null })

const viewTest = (
  { gains, startedAt, decidedAt, deviation: _, ...test }: TestRow,
  alpha: number,
): TestView => ({
  ...test,
  gain: meanOf(gains),
  alpha: (alpha * 6) / (Math.PI ** 2 * test.number ** 2),
  startedAt: toWire(startedAt),
  decidedAt: decidedAt === null ? null : toWire(decidedAt),
})

const Sides = z.strictObject({ a: ExperimentId, b: ExperimentId })

/** GET /campaigns/:id/compare?a=&b=: two experiments on the seeds that both have, by what is published and final. */
export function compareExperiments(edge: Edge): RequestHandler {
  return async (req, res) => {
    const sides = parse(Sides, req.query)
    const campaign = await campaignOf(edge, req)
    const runs = await readRuns(edge.knex, campaign.id, { among: [sides.a, sides.b] })
    const withheld = new Set(await withheldOf(edge.knex, campaign, edge.trust.rules))
    res.json(await viewComparison(edge.knex, { campaign, runs, withheld }, sides))
  }
}

interface Compared {
  readonly campaign: Pick<CampaignRow, 'id' | 'file'>
  readonly runs: readonly RunRow[]
  readonly withheld: ReadonlySet<ExperimentId>
}

/** Two experiments on the seeds that both have. Throws `Refused` (not_found, embargoed). */
export async function viewComparison(
  on: Executor,
  { campaign, runs, withheld }: Compared,
  { a, b }: { readonly a: ExperimentId; readonly b: ExperimentId },
): Promise<CompareView> {
  const { metric } = campaign.file
  const recipes = await readRecipes(on, [a, b])
  const sideOf = (experimentId: ExperimentId) => {
    const recipe = recipes.get(experimentId)
    const mine = runs.filter(run => run.experimentId === experimentId)
    if (recipe === undefined || mine.length === 0)
      throw new Refused('not_found', `experiment ${experimentId} in campaign ${campaign.id}`)
    if (withheld.has(experimentId)) throw new Refused('embargoed', `experiment ${experimentId}`)
    return { experimentId, recipe, values: valuesOf(mine) }
  }
  const [ours, theirs] = [sideOf(a), sideOf(b)]
  const differences = Array.from(ours.values).flatMap(([seed, value]) => {
    const other = theirs.values.get(seed)
    return other === undefined ? [] : [value - other]
  })
  const difference = meanOf(differences)
  return {
    ...{ metric, a: viewSide(ours), b: viewSide(theirs), difference },
    verdict: verdictOf(difference, metric.goal),
  }
}

const valuesOf = (runs: readonly RunRow[]): ReadonlyMap<number, number> =>
  new Map(
    runs.flatMap(({ seedIndex, state, value }) =>
      state === 'ok' && value !== null ? [[seedIndex, value]] : [],
    ),
  )

const viewSide = ({
  values,
  ...side
}: Pick<CompareView['a'], 'experimentId' | 'recipe'> & { readonly values: ReadonlyMap<number, number> }) => ({
  ...side,
  all: meanOf([...values.values()]),
})
