import { z } from 'zod'
import { PAGE_ROWS_MAX } from './limits.ts'
import { Tick } from './ticks.ts'
import { CampaignId, ExperimentId, HostId, ResultId, WireInstant } from './units.ts'

/** One result of a host: what it was of, how it was judged, and what it earned. */
export const HostResult = z.object({
  id: ResultId,
  experimentId: ExperimentId,
  campaign: z.object({ id: CampaignId, title: z.string() }),
  state: z.string(),
  outcome: z.string().nullable(),
  verdict: z.string().nullable(),
  late: z.boolean(),
  /** Progress as last told. */
  fraction: z.number(),
  sentAt: WireInstant,
  /** From the lease to the report. */
  tookMs: z.number().nullable(),
  grantedMilli: z.int(),
  vested: z.boolean(),
})
export type HostResult = z.infer<typeof HostResult>

/** GET /api/v1/hosts/:id/results?limit=&after= */
export const HostResultsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(50),
  after: ResultId.optional(),
})

/**
 * What a host was given, the latest first: for everybody results of public runs of listed campaigns, for the host itself and its user all
 * of them, also what it computes now.
 */
export const HostResultList = z.object({
  results: z.array(HostResult),
  own: z.boolean(),
  /** Give it as `after` to read on; null at the end. */
  nextAfter: ResultId.nullable(),
})
export type HostResultList = z.infer<typeof HostResultList>

/**
 * GET /api/v1/hosts/:id/ticks: what a host was given and has reported since then, by slot of time, of what everybody may know. `failed`
 * are those that do not count, `best` marks what made a campaign's best or decided a verdict.
 */
export const HostTicks = z.object({
  hostId: HostId,
  since: WireInstant,
  now: WireInstant,
  ticks: z.array(Tick),
})
export type HostTicks = z.infer<typeof HostTicks>
