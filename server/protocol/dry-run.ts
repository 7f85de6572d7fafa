import { z } from 'zod'
import { CampaignView } from './campaign.ts'
import { Quote } from './credits.ts'
import { KeyView } from './keys.ts'
import { MilliCredit } from './units.ts'

/**
 * The reply to a call that spends, asked with `dry_run=true`: what it would do now. Nothing is written, and it is refused whenever the
 * call would be. Ids in it are of nothing.
 */
export const DryRun = z.object({
  dryRun: z.literal(true),
  quote: Quote,
  /** What the call would set aside. */
  setAsideMilli: MilliCredit,
  /** What the account, and the API key that asks, would have left. */
  balanceMilli: MilliCredit,
  key: KeyView.nullable(),
  campaign: CampaignView,
})
export type DryRun = z.infer<typeof DryRun>
