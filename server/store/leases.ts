import type { HostId, Instant, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { revokeLeases, unitsLeasedTo } from './results.ts'
import { touchWorkUnits } from './wakes.ts'
import { lockWorkUnits } from './work-units.ts'

/**
 * Takes away what these hosts are computing, and marks the work units as due; gives their ids. Units that somebody else
 * has locked are left: their leases end at the deadline.
 */
export async function freeLeases(trx: Trx, hostIds: readonly HostId[], now: Instant): Promise<WorkUnitId[]> {
  const leased = await unitsLeasedTo(trx, hostIds)
  const locked = (await lockWorkUnits(trx, leased)).map(({ workUnit }) => workUnit.id)
  await revokeLeases(trx, { hostIds, workUnitIds: locked }, now)
  await touchWorkUnits(trx, locked, now)
  return locked
}
