import type { RequestHandler } from 'express'
import { CAMPAIGN_TICKS_MAX } from '#protocol/limits.ts'
import type { CampaignTicks, Tick, TickList } from '#protocol/ticks.ts'
import { addMs, type CampaignId, toWire } from '#protocol/units.ts'
import { countHeard, listTicks, listTicksOf, type TickRow } from '#store/ticks.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { newKept } from './kept.ts'

const HOUR_MS = 3600_000
// Every page shows the rug of the hour, and what is missing of it the stream tells: so often nobody sees a difference.
const KEPT_MS = 2_000
const CAMPAIGNS_KEPT = 200

/** GET /ticks */
export function showTicks(edge: Edge): RequestHandler {
  const kept = newKept<'hour', TickList>(edge.now, { forMs: KEPT_MS, most: 1 })
  return async (_req, res) => void res.json(await kept.get('hour', 0, () => lastHour(edge)))
}

async function lastHour({ knex, now: clock }: Edge): Promise<TickList> {
  const now = clock()
  const since = addMs(now, -HOUR_MS)
  const [heard, rows] = await Promise.all([countHeard(knex, since), listTicks(knex, since)])
  return { now: toWire(now), since: toWire(since), ...heard, ...viewTicks(rows) }
}

/** GET /campaigns/:id/ticks */
export function showCampaignTicks(edge: Edge): RequestHandler {
  const kept = newKept<CampaignId, CampaignTicks>(edge.now, { forMs: KEPT_MS, most: CAMPAIGNS_KEPT })
  return async (req, res) => {
    const { id } = await campaignOf(edge, req)
    res.json(await kept.get(id, 0, () => ticksOf(edge, id)))
  }
}

async function ticksOf({ knex }: Edge, campaignId: CampaignId): Promise<CampaignTicks> {
  return { campaignId, ...viewTicks(await listTicksOf(knex, { campaignId, parts: CAMPAIGN_TICKS_MAX })) }
}

function viewTicks(rows: readonly TickRow[]): Pick<TickList, 'runs' | 'failed' | 'ticks'> {
  const sum = (of: 'runs' | 'failed'): number => rows.reduce((all, row) => all + row[of], 0)
  return { runs: sum('runs'), failed: sum('failed'), ticks: rows.map(viewTick) }
}

/** A tick as the wire has it. */
export const viewTick = ({ at, runs, failed, agreed, best }: TickRow): Tick => ({
  ...{ at: toWire(at), runs, failed, agreed, best },
})
