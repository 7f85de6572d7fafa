import { z } from 'zod'
import { CampaignFile } from './campaign.ts'

/** Where editors find the schema of a campaign file. */
export const CAMPAIGN_SCHEMA_PATH = '/schema/campaign/v1.json'

/**
 * The JSON Schema (2020-12) of a campaign file as it is written: what has a default may be left out. What no schema can say (a range the
 * right way round, one limit of two) the server still checks.
 */
export const campaignSchema = (): object => ({
  ...z.toJSONSchema(CampaignFile, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' }),
  title: 'XeeNet campaign',
})
