import type { RequestHandler } from 'express'
import { invariant } from '#domain/invariant.ts'
import { SearchQuery, type SearchView } from '#protocol/search.ts'
import { proposersOf } from '#protocol/space.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import type { Histories } from '#store/histories.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { listPromoted, listWaiting } from '#store/proposers.ts'
import { withheldOf } from '#store/withheld.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/**
 * GET /campaigns/:id/search?limit=: what its sampler was told, for whoever proposes beside it. As on the leaderboard, what would lead
 * is left out, and counts as pending, until the verifier has seen it.
 */
export function showSearch(edge: Edge, histories: Histories): RequestHandler {
  return async (req, res) => {
    const { limit } = parse(SearchQuery, req.query)
    const view = await searchViewOf(edge, { histories, campaign: await campaignOf(edge, req), limit })
    if (view === undefined)
      throw new Refused('not_found', 'sampler: all recipes of this campaign were known when it was submitted')
    res.json(view)
  }
}

interface Asked {
  readonly histories: Histories
  readonly campaign: CampaignRow
  readonly limit: number | undefined // rows of each list
}

/** The same of a campaign at hand; undefined when no sampler chooses its recipes. */
export async function searchViewOf(
  edge: Edge,
  { histories, campaign, limit }: Asked,
): Promise<SearchView | undefined> {
  const [kernel] = await kernelsByHash(edge.knex, [campaign.kernelSha256])
  invariant(kernel !== undefined, 'what a campaign uses stays')
  // First: what says that reports are withheld is there by then.
  const { trials, reports: told } = await histories.read(edge.knex, campaign.id)
  const withheld: ReadonlySet<string | undefined> = new Set(
    await withheldOf(edge.knex, campaign, edge.trust.rules),
  )
  const reports = told.filter(({ ordinal }) => !withheld.has(trials[ordinal]?.id))
  const takesTurns = proposersOf(campaign.file.sampler).length > 1
  const promotions = (takesTurns ? await listPromoted(edge.knex, campaign.id) : []).flatMap(ordinal =>
    withheld.has(trials[ordinal]?.id) ? [] : [{ ordinal, stands: true }],
  )
  const waiting = takesTurns ? (await listWaiting(edge.knex, campaign.id)).length : 0
  const history = { trials, reports, promotions }
  return edge.planner.state(campaign.file, kernel.manifest, { history, limit, waiting })
}
