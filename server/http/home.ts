import type { RequestHandler } from 'express'
import { meanOf } from '#domain/comparison.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import type { Finding, HomeView } from '#protocol/home.ts'
import { addMs, type CampaignId, type Instant, toWire } from '#protocol/units.ts'
import { readAnonymous, readBoard } from '#store/boards.ts'
import { findCampaign } from '#store/campaigns.ts'
import { bestSince, countRunning, listDecided, listFinished, liveliestCampaigns } from '#store/home.ts'
import { listTicksOfEach } from '#store/ticks.ts'
import { withheldAmong } from '#store/withheld.ts'
import { viewCampaign } from './campaign-view.ts'
import type { Edge } from './edge.ts'
import { newKept } from './kept.ts'
import type { Spent } from './spent.ts'
import { viewTick } from './ticks.ts'

const HOUR_MS = 3600_000
const WEEK_MS = 7 * 24 * HOUR_MS
const CAMPAIGNS_SHOWN = 6
const FOUND_SHOWN = 6
const PEOPLE_SHOWN = 5
// The first page is what most readers open, and nothing on it is of a moment but the rug.
const KEPT_MS = 5_000

/** GET /home */
export function showHome(edge: Edge, spent: Spent): RequestHandler {
  const kept = newKept<'home', HomeView>(edge.now, { forMs: KEPT_MS, most: 1 })
  return async (_req, res) => void res.json(await kept.get('home', 0, () => viewHome(edge, spent)))
}

async function viewHome(edge: Edge, spent: Spent): Promise<HomeView> {
  const { knex } = edge
  const now = edge.now()
  const hourAgo = addMs(now, -HOUR_MS)
  const ids = await liveliestCampaigns(knex, { since: hourAgo, limit: CAMPAIGNS_SHOWN })
  const since = await bestSince(knex, ids)
  const ticks = await listTicksOfEach(knex, ids, hourAgo)
  const campaigns = (await viewsOf(edge, ids)).map(view => ({
    ...{ ...view, bestSince: leads(view, since) },
    ticks: (ticks.get(view.id) ?? []).map(viewTick),
  }))
  const { results, coreHours, queue } = await spent()
  return {
    ...{ at: toWire(now), results, coreHours, waiting: queue.unsent },
    ...{ running: await countRunning(knex), campaigns },
    found: await foundSince(edge, addMs(now, -WEEK_MS)),
    thanks: await thanksOf(edge, now),
  }
}

const leads = ({ id, best }: CampaignView, since: ReadonlyMap<CampaignId, Instant>): string | null => {
  const at = since.get(id)
  return best === null || at === undefined ? null : toWire(at)
}

async function viewsOf({ knex, trust }: Edge, ids: readonly CampaignId[]): Promise<CampaignView[]> {
  const views: CampaignView[] = []
  for (const id of ids) {
    const campaign = await findCampaign(knex, id)
    if (campaign !== undefined) views.push(await viewCampaign(knex, campaign, trust.rules))
  }
  return views
}

async function foundSince(edge: Edge, since: Instant): Promise<Finding[]> {
  const { knex, trust } = edge
  const decided = await listDecided(knex, { since, limit: FOUND_SHOWN })
  const campaigns = [...new Set(decided.map(test => test.campaignId))]
  const withheld = new Set(await withheldAmong(knex, campaigns, trust.rules))
  const tests = decided
    .filter(test => !withheld.has(test.incumbent) && !withheld.has(test.challenger))
    .map(
      (test): Finding => ({
        ...{ kind: test.state, at: toWire(test.decidedAt), campaignId: test.campaignId, title: test.title },
        ...{ metric: test.metric, challenger: test.challenger, gain: meanOf(test.gains) },
        recipes: { incumbent: test.incumbentRecipe, challenger: test.challengerRecipe },
      }),
    )
  const finished = await viewsOf(edge, await listFinished(knex, { since, limit: FOUND_SHOWN }))
  return [...tests, ...finished.map(ended)].sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, FOUND_SHOWN)
}

const ended = ({ id, title, metric, endedAt, createdAt, best }: CampaignView): Finding => ({
  ...{ kind: 'finished', at: endedAt ?? createdAt, campaignId: id, title, metric: metric.name, best },
})

async function thanksOf({ knex }: Edge, now: Instant): Promise<HomeView['thanks']> {
  const week = { board: 'contribution', via: 'all', span: 'week' } as const
  const people = await readBoard(knex, week, { after: null, limit: PEOPLE_SHOWN, now })
  const anonymous = await readAnonymous(knex, week)
  return {
    people: people.map(({ name, valid, creditMilli }) => ({ name, valid, creditMilli })),
    anonymous: anonymous?.valid ?? 0,
  }
}
