import { monthOf, stateOf } from '#domain/exports.ts'
import type { TrustRules } from '#domain/trust.ts'
import type { ExportScope } from '#protocol/exports.ts'
import type { ExperimentId, Sha256 } from '#protocol/units.ts'
import { type CampaignRow, findCampaign } from './campaigns.ts'
import { campaignsIn, type RowScope, readCorpusState } from './corpus-rows.ts'
import type { Executor } from './rows.ts'
import { withheldIn } from './withheld.ts'

/** What an export would hold now. */
export interface ExportState extends RowScope {
  readonly campaign: CampaignRow | null // of a campaign's
  /** Experiments that are left out, as on the leaderboards. */
  readonly withheld: readonly ExperimentId[]
  readonly rows: number
  readonly stateSha256: Sha256
}

/** Reads what an export of the scope would hold; undefined when there is no such campaign. */
export async function readExportState(
  on: Executor,
  scope: ExportScope,
  rules: Pick<TrustRules, 'leaderRows'>,
): Promise<ExportState | undefined> {
  const campaign = 'period' in scope ? null : await findCampaign(on, scope.campaignId)
  if (campaign === undefined) return undefined
  const within: RowScope =
    'period' in scope
      ? { campaignId: null, ...monthOf(scope.period) }
      : { campaignId: scope.campaignId, from: null, until: null }
  const withheld = await withheldIn(on, await campaignsIn(on, within), rules)
  const { rows, sha256: rowsSha256 } = await readCorpusState(on, { ...within, withheld })
  const said = campaign === null ? null : { state: campaign.state, revision: campaign.revision }
  return { ...within, campaign, withheld, rows, stateSha256: stateOf({ scope, campaign: said, rowsSha256 }) }
}
