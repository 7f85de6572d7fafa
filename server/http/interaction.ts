import type { RequestHandler } from 'express'
import { z } from 'zod'
import { meanOf } from '#domain/comparison.ts'
import { interactionOf } from '#domain/interaction.ts'
import type { InteractionView } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import { INTERACTION_FIRST_SEED } from '#protocol/limits.ts'
import { ExperimentId } from '#protocol/units.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import { findInteraction, type InteractionRow } from '#store/interactions.ts'
import { type RunRow, readRecipes, readRuns } from '#store/tests.ts'
import { withheldOf } from '#store/withheld.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

const Name = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/)
const Parameters = z.strictObject({ best: Name, by: Name })

/** GET /campaigns/:id/interaction?best=&by=, of what is published and final on the screening seeds. */
export function showInteraction(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { best, by } = parse(Parameters, req.query)
    const campaign = await campaignOf(edge, req)
    const { space } = campaign.file
    const foreign = [best, by].find(name => !Object.hasOwn(space, name))
    if (foreign !== undefined) throw new Refused('bad_request', `${foreign}: the campaign does not vary it`)
    const withheld = new Set(await withheldOf(edge.knex, campaign, edge.trust.rules))
    const runs = await readRuns(edge.knex, campaign.id)
    const recipes = await readRecipes(edge.knex, [...new Set(runs.map(run => run.experimentId))])
    const row = await findInteraction(edge.knex, campaign.id, { best, by })
    res.json(viewInteraction({ campaign, runs, recipes, withheld, row }, { best, by }))
  }
}

interface Known {
  readonly campaign: Pick<CampaignRow, 'file'>
  readonly runs: readonly RunRow[]
  readonly recipes: ReadonlyMap<ExperimentId, Recipe>
  readonly withheld: ReadonlySet<ExperimentId>
  /** What the agent found, where the file asks this. */
  readonly row: InteractionRow | undefined
}

/** Which value of one parameter is best, and whether that depends on another, by the runs on the screening seeds. */
export function viewInteraction(
  { campaign, runs, recipes, withheld, row }: Known,
  { best, by }: { readonly best: string; readonly by: string },
): InteractionView {
  const { metric, replicate } = campaign.file
  const screened = Map.groupBy(
    runs.filter(run => !run.baseline && run.seedIndex < replicate.seeds && !withheld.has(run.experimentId)),
    run => run.experimentId,
  )
  const cells = Array.from(screened).flatMap(([experimentId, own]) => {
    const recipe = recipes.get(experimentId)
    const [value, level] = [recipe?.[best], recipe?.[by]]
    if (value === undefined || level === undefined) return []
    const values = new Map(
      own.flatMap(run => (run.value !== null && run.state === 'ok' ? [[run.seedIndex, run.value]] : [])),
    )
    return [{ experimentId, best: value, by: level, values }]
  })
  const { levels, ...answer } = interactionOf(cells, metric.goal)
  return {
    ...{ best, by, ...answer, test: viewTest(campaign, row, withheld) },
    levels: levels.map(level => ({ ...level, experimentId: ExperimentId.parse(level.experimentId) })),
  }
}

/** With a cell that is withheld it is said only that it runs. */
function viewTest(
  { file: { interaction } }: Known['campaign'],
  row: InteractionRow | undefined,
  withheld: Known['withheld'],
): InteractionView['test'] {
  if (row === undefined || interaction === undefined) return null
  const { best: _, by: __, deviation: ___, costs, ...test } = row
  const seeds = { effect: interaction.effect, firstSeed: INTERACTION_FIRST_SEED }
  return test.cells.some(id => withheld.has(id))
    ? { ...test, ...seeds, state: 'running', cost: null, llr: 0 }
    : { ...test, ...seeds, cost: meanOf(costs) }
}
