import type { RequestHandler } from 'express'
import { meanOf } from '#domain/comparison.ts'
import { invariant } from '#domain/invariant.ts'
import { lineageOf } from '#domain/lineage.ts'
import type { ExperimentRun, ExperimentView } from '#protocol/experiments.ts'
import { EXPERIMENT_ROWS_MAX } from '#protocol/limits.ts'
import { ExperimentId, toWire } from '#protocol/units.ts'
import { findCampaign } from '#store/campaigns.ts'
import { type ExperimentRow, findExperiment, findRank, readExperimentRuns } from '#store/experiments.ts'
import { notesOn } from '#store/notes.ts'
import type { Executor } from '#store/rows.ts'
import { readRecipes, readTests, type TestRow } from '#store/tests.ts'
import { withheldOf } from '#store/withheld.ts'
import type { Edge } from './edge.ts'
import { viewNote } from './notes.ts'
import { parse, Refused } from './problem.ts'
import { toldOf } from './tests.ts'

const NOTES_SHOWN = 20
const WHOLE = 3 // the rung of whole runs

/** GET /experiments/:id. What would lead and no verifier has seen is told without its values, as on the leaderboard. */
export function showExperiment(edge: Edge): RequestHandler {
  return async (req, res) => {
    const id = parse(ExperimentId, req.params.id, 'not_found')
    const experiment = await findExperiment(edge.knex, id)
    if (experiment === undefined) throw new Refused('not_found', `experiment ${id}`)
    const campaign = await findCampaign(edge.knex, experiment.campaignId)
    invariant(campaign !== undefined, 'an experiment is of a campaign')
    const { file } = campaign
    const runs = await readExperimentRuns(edge.knex, { id, limit: EXPERIMENT_ROWS_MAX })
    // Afterwards: what leads among the runs that were read is known as withheld by then.
    const withheld = await withheldOf(edge.knex, campaign, edge.trust.rules)
    const isWithheld = withheld.includes(id)
    const { goal } = file.metric
    const rank = isWithheld
      ? undefined
      : await findRank(edge.knex, { id, campaignId: campaign.id, goal, withheld })
    const tests = toldOf(await readTests(edge.knex, campaign.id), new Set(withheld))
    const evidence = [id, ...runs.flatMap(run => run.results.map(result => result.id))]
    const notes = await notesOn(edge.knex, { campaignId: campaign.id, evidence, limit: NOTES_SHOWN })
    const { campaignId, originId: _, runs: all, createdAt, ...own } = experiment
    const view: ExperimentView = {
      ...own,
      campaign: { id: campaignId, title: campaign.title, kernel: file.kernel, data: file.data },
      metric: file.metric,
      createdAt: toWire(createdAt),
      value: isWithheld ? null : meanOf(valuesOf(runs)),
      rank: rank ?? null,
      withheld: isWithheld,
      ...(await relatedOf(edge.knex, experiment, tests)),
      runs: isWithheld ? runs.map(untold) : runs,
      runsLeftOut: all - runs.length,
      notes: notes.map(note => viewNote(campaignId, note, new Set<string>(withheld))),
    }
    res.json(view)
  }
}

const valuesOf = (runs: readonly ExperimentRun[]): number[] =>
  runs.flatMap(({ rung, value }) => (rung === WHOLE && value !== null ? [value] : []))

const untold = (run: ExperimentRun): ExperimentRun => ({
  ...run,
  ...{ status: null, value: null, curve: [], fuelUsed: null, resultId: null },
  results: run.results.map(result => ({ ...result, digest: null })),
})

/** Where it came from, and what it was tested against. */
async function relatedOf(
  on: Executor,
  { experimentId: id, originId }: ExperimentRow,
  tests: readonly TestRow[],
): Promise<Pick<ExperimentView, 'lineage' | 'tests'>> {
  const lineage = lineageOf(id, originId, tests)
  const own = tests
    .filter(test => test.challenger === id || test.incumbent === id)
    .slice(-EXPERIMENT_ROWS_MAX)
    .reverse()
  const otherOf = (test: TestRow): ExperimentId => (test.challenger === id ? test.incumbent : test.challenger)
  const recipes = await readRecipes(on, [...new Set([...lineage, ...own.map(otherOf)])])
  const withRecipe = (experimentId: ExperimentId) => {
    const recipe = recipes.get(experimentId)
    invariant(recipe !== undefined, 'what was tested stays')
    return { experimentId, recipe }
  }
  return {
    lineage: lineage.map(withRecipe),
    tests: own.map(test => ({
      ...{ number: test.number, state: test.state, other: withRecipe(otherOf(test)) },
      side: test.challenger === id ? 'challenger' : 'incumbent',
      gain: meanOf(test.gains),
    })),
  }
}
