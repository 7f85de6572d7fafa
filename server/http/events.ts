import type { RequestHandler } from 'express'
import { z } from 'zod'
import { EventCursor, type EventList } from '#protocol/events.ts'
import { PAGE_ROWS_MAX } from '#protocol/limits.ts'
import { toWire } from '#protocol/units.ts'
import { listEvents } from '#store/events.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse } from './problem.ts'

const Page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
  after: EventCursor.default('0-0'),
})

/** GET /campaigns/:id/events?after=&limit=: what happened in a campaign, for whoever follows it. */
export function showEvents(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit, after } = parse(Page, req.query)
    const { id: campaignId } = await campaignOf(edge, req)
    const rows = await listEvents(edge.knex, { campaignId, after, limit })
    const view: EventList = {
      campaignId,
      events: rows.map(({ at, ...event }) => ({ ...event, at: toWire(at) })),
      nextAfter: rows.at(-1)?.cursor ?? after,
    }
    res.json(view)
  }
}
