import { z } from 'zod'
import { CampaignView } from './campaign.ts'
import { Recipe } from './job.ts'
import { MeanView } from './tests.ts'
import { Tick } from './ticks.ts'
import { CampaignId, ExperimentId, WireInstant } from './units.ts'

const Where = { at: WireInstant, campaignId: CampaignId, title: z.string(), metric: z.string() }

/** What was found: a test that was decided, or a campaign that has ended. */
export const Finding = z.discriminatedUnion('kind', [
  z.object({
    ...Where,
    /** Whether the challenger is better than the incumbent. */
    kind: z.enum(['promoted', 'rejected']),
    challenger: ExperimentId,
    /** Whole recipes: what differs was tested. */
    recipes: z.object({ incumbent: Recipe, challenger: Recipe }),
    /** By how much it was better, by pair of seeds. */
    gain: MeanView.nullable(),
  }),
  z.object({ ...Where, kind: z.literal('finished'), best: CampaignView.shape.best }),
])
export type Finding = z.infer<typeof Finding>

/** GET /api/v1/home: what the first page shows, some seconds old. */
export const HomeView = z.object({
  at: WireInstant,
  /** Everything that was computed here, and what waits to be. */
  results: z.int(),
  coreHours: z.number(),
  waiting: z.int(),
  /** Listed campaigns that run. */
  running: z.int(),
  /** Some of the listed campaigns: those that run first, and among them those of which something became public last. */
  campaigns: z.array(
    CampaignView.extend({
      /** Since when its best leads; null before the first. */
      bestSince: WireInstant.nullable(),
      /** Its part of the rug of the last hour. */
      ticks: z.array(Tick),
    }),
  ),
  /** Of the last seven days, the newest first. */
  found: z.array(Finding),
  /** Who gave the most in the last seven days, the most first, and the hosts that nobody claimed together. */
  thanks: z.object({
    people: z.array(z.object({ name: z.string(), valid: z.int(), creditMilli: z.int() })),
    anonymous: z.int(),
  }),
})
export type HomeView = z.infer<typeof HomeView>
