import { z } from 'zod'
import { StreamTick } from './stream.ts'
import { CampaignId, WireInstant } from './units.ts'

/** One mark of a rug: runs that became public together or next to one another, `at` the last of them. */
export const Tick = StreamTick.omit({ campaignId: true }).extend({
  /** Their campaign had a new best with them, or soon after and before the next. */
  best: z.boolean(),
})
export type Tick = z.infer<typeof Tick>

/** GET /api/v1/ticks: the rug of the last hour, of all listed campaigns. */
export const TickList = z.object({
  now: WireInstant,
  /** What became public since then is counted; the stream tells what comes next. */
  since: WireInstant,
  runs: z.int().min(0),
  /** Those of them without a metric. */
  failed: z.int().min(0),
  /** Heard within the hour. */
  hosts: z.int().min(0),
  cores: z.int().min(0),
  /** Oldest first: one for each TICK_SLOT_MS in which any became public. */
  ticks: z.array(Tick),
})
export type TickList = z.infer<typeof TickList>

/** GET /api/v1/campaigns/:id/ticks: all its public runs in the order in which they became so, in at most CAMPAIGN_TICKS_MAX equal parts. */
export const CampaignTicks = z.object({
  campaignId: CampaignId,
  runs: z.int().min(0),
  failed: z.int().min(0),
  /** Up to CAMPAIGN_TICKS_MAX runs each has its own. */
  ticks: z.array(Tick),
})
export type CampaignTicks = z.infer<typeof CampaignTicks>
