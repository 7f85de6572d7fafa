import { z } from 'zod'
import { CampaignId, WireInstant } from './units.ts'

/** GET /api/v1/campaigns/:id/report: Markdown, and the SVG figures that it shows by their names; each is at /report/NAME too. */
export const ReportView = z.object({
  campaignId: CampaignId,
  revision: z.int(),
  at: WireInstant,
  files: z.array(z.object({ name: z.string().regex(/^[a-z][a-z0-9_-]{0,60}\.(md|svg)$/), text: z.string() })),
})
export type ReportView = z.infer<typeof ReportView>
