import { z } from 'zod'
import { CampaignState } from './campaign.ts'
import { CampaignId, ExperimentId, WireInstant, WorkUnitId } from './units.ts'

export const EventKind = z.enum([
  'campaign.best', // another experiment leads the leaderboard
  'campaign.verdict', // of a sequential test, or of the agent on a question; also one that was taken back
  'campaign.revised',
  'campaign.paused',
  'campaign.resumed',
  'campaign.note',
  'campaign.finished',
  'campaign.cancelled',
  'result.retracted',
])
export type EventKind = z.infer<typeof EventKind>

/** Where an event stands in the order of all; opaque to readers. Eighteen digits stay below 2⁶³. */
export const EventCursor = z.string().regex(/^[0-9]{1,18}-[0-9]{1,18}$/)
export type EventCursor = z.infer<typeof EventCursor>

/** GET /api/v1/campaigns/:id/events, oldest first. */
export const EventList = z.object({
  campaignId: CampaignId,
  events: z.array(
    z.object({
      cursor: EventCursor,
      at: WireInstant,
      kind: EventKind,
      /** Whose published result was withdrawn; null when the event is the campaign’s. */
      workUnitId: WorkUnitId.nullable(),
      /** Which experiment leads, or was judged. */
      experimentId: ExperimentId.nullable(),
      detail: z.string(),
    }),
  ),
  /** Give it as `after` the next time, also when there was nothing. */
  nextAfter: EventCursor,
})
export type EventList = z.infer<typeof EventList>

/** GET /api/v1/campaigns/:id/wait: the same, as soon as there is something, with the state of the campaign. */
export const WaitReply = EventList.extend({ state: CampaignState })
export type WaitReply = z.infer<typeof WaitReply>
