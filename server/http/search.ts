import type { RequestHandler } from 'express'
import { invariant } from '#domain/invariant.ts'
import { SearchQuery } from '#protocol/search.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { readReports, readTrials } from '#store/search.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** GET /campaigns/:id/search?limit=: what its sampler was told, for whoever proposes beside it. Only what is public anyway. */
export function showSearch(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit } = parse(SearchQuery, req.query)
    const { id, file, kernelSha256 } = await campaignOf(edge, req)
    const [kernel] = await kernelsByHash(edge.knex, [kernelSha256])
    invariant(kernel !== undefined, 'what a campaign uses stays')
    // Reports first: the trials of those that are read are there by then.
    const reports = await readReports(edge.knex, id)
    const history = { trials: await readTrials(edge.knex, id), reports }
    const view = edge.planner.state(file, kernel.manifest, { history, limit })
    if (view === undefined)
      throw new Refused('not_found', 'sampler: all recipes of this campaign were known when it was submitted')
    res.json(view)
  }
}
