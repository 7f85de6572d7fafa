import type { CampaignId, ExportId, HostId, ProposalId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'

/**
 * Asks the jobs to look at something, from inside the transaction that changed it: the request exists exactly if the
 * change does. Work units must be locked first (`lockWorkUnits` in store/work-units.ts): whoever waits for the lock then
 * sees the change, and no wake-up that collapses into an earlier one can be lost.
 */
export interface Wake {
  /** Something changed about a result of these work units. */
  workUnits(trx: Trx, ids: readonly WorkUnitId[]): Promise<void>
  /** These campaigns were submitted, cancelled, or have room for more experiments. */
  campaigns(trx: Trx, ids: readonly CampaignId[]): Promise<void>
  /** How these hosts stand changed what their earlier results are worth. */
  hosts(trx: Trx, ids: readonly HostId[]): Promise<void>
  /** These kernels were proposed. */
  proposals(trx: Trx, ids: readonly ProposalId[]): Promise<void>
  /** These exports are to be built. */
  exports(trx: Trx, ids: readonly ExportId[]): Promise<void>
}
