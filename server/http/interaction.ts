import type { RequestHandler } from 'express'
import { z } from 'zod'
import { interactionOf } from '#domain/interaction.ts'
import type { InteractionView } from '#protocol/interaction.ts'
import { ExperimentId } from '#protocol/units.ts'
import { readRecipes, readRuns } from '#store/tests.ts'
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
    const { space, metric, replicate } = campaign.file
    const foreign = [best, by].find(name => !Object.hasOwn(space, name))
    if (foreign !== undefined) throw new Refused('bad_request', `${foreign}: the campaign does not vary it`)
    const withheld = new Set(await withheldOf(edge.knex, campaign, edge.trust.rules))
    const runs = (await readRuns(edge.knex, campaign.id)).filter(
      run => !run.baseline && run.seedIndex < replicate.seeds && !withheld.has(run.experimentId),
    )
    const recipes = await readRecipes(edge.knex, [...new Set(runs.map(run => run.experimentId))])
    const cells = Array.from(recipes).flatMap(([experimentId, recipe]) => {
      const [value, level] = [recipe[best], recipe[by]]
      if (value === undefined || level === undefined) return []
      const values = new Map(
        runs.flatMap(run =>
          run.experimentId === experimentId && run.value !== null && run.state === 'ok'
            ? [[run.seedIndex, run.value]]
            : [],
        ),
      )
      return [{ experimentId, best: value, by: level, values }]
    })
    const { levels, ...answer } = interactionOf(cells, metric.goal)
    const view: InteractionView = {
      ...{ best, by, ...answer },
      levels: levels.map(level => ({ ...level, experimentId: ExperimentId.parse(level.experimentId) })),
    }
    res.json(view)
  }
}
