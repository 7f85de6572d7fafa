import type { RequestHandler } from 'express'
import { z } from 'zod'
import { EventCursor, type WaitReply } from '#protocol/events.ts'
import { PAGE_ROWS_MAX, WAIT_SECONDS_MAX } from '#protocol/limits.ts'
import { type CampaignId, toWire } from '#protocol/units.ts'
import { type EventRow, listEvents } from '#store/events.ts'
import { newBell } from './bell.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse } from './problem.ts'
import { newSeats } from './seats.ts'

const WaitQuery = z.strictObject({
  cursor: EventCursor.default('0-0'),
  timeout: z.coerce.number().min(0).max(WAIT_SECONDS_MAX).default(30),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
})
type WaitQuery = z.infer<typeof WaitQuery>

/**
 * GET /campaigns/:id/wait?cursor=&timeout=: the events after the cursor, as soon as there are any, or none when the time is over or the
 * server stops. Nothing is lost in between: the next call goes on from `nextAfter`.
 */
export function waitForEvents(edge: Edge): RequestHandler {
  const seats = newSeats()
  return async (req, res) => {
    const gone = new AbortController()
    res.on('close', () => gone.abort())
    const query = parse(WaitQuery, req.query)
    const { id } = await campaignOf(edge, req)
    const leave = seats.take(req)
    try {
      const events = await firstEvents(edge, { id, ...query, gone: gone.signal })
      const { state } = await campaignOf(edge, req)
      const reply: WaitReply = {
        campaignId: id,
        events: events.map(({ at, ...event }) => ({ ...event, at: toWire(at) })),
        nextAfter: events.at(-1)?.cursor ?? query.cursor,
        state,
      }
      res.json(reply)
    } finally {
      leave()
    }
  }
}

// A transaction that is open elsewhere hides what is committed after it for a while (decision 0018): look again, seldomer and seldomer.
const LOOK_MS_MIN = 100
const LOOK_MS_MAX = 2_000

export interface Wanted extends WaitQuery {
  readonly id: CampaignId
  readonly gone: AbortSignal
}

/** The events of a campaign after the cursor as soon as there are any; none when the time is over, the caller gone or the server stops. */
export async function firstEvents(
  edge: Edge,
  { id, cursor, timeout, limit, gone }: Wanted,
): Promise<EventRow[]> {
  const over = AbortSignal.any([gone, edge.events.closing, AbortSignal.timeout(Math.ceil(timeout * 1000))])
  const bell = newBell(over)
  const unsubscribe = edge.events.subscribe(id, bell.ring)
  try {
    for (let lookMs: number | undefined; ; ) {
      const events = await listEvents(edge.knex, { campaignId: id, after: cursor, limit })
      if (events.length > 0 || over.aborted) return events
      const rung = await bell.wait(lookMs)
      if (rung) lookMs = LOOK_MS_MIN
      else if (lookMs !== undefined) lookMs = Math.min(LOOK_MS_MAX, lookMs * 2)
    }
  } finally {
    unsubscribe()
  }
}
