import type { HostId, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { StandingGrant } from './grants.ts'
import type { Success } from './settle.ts'
import { grantOf } from './settle-pay.ts'
import { isDoubtedBy, type Standing, streakOf } from './trust.ts'
import type { WorkUnit } from './types.ts'

/** A valid unit that is open again, disputed: its answer may have been public, so only the verifier settles it. */
export interface Reopening {
  readonly workUnitId: WorkUnitId
  /** Judged before, pending again. */
  readonly results: readonly ResultId[]
  /** Pay of those that cheated. What the others were paid stays theirs if they turn out to be right. */
  readonly reversals: readonly StandingGrant[]
}

/**
 * What becomes of a unit when hosts are in doubt (DESIGN §8): it is open again if one of their results in it is valid but
 * was confirmed by nobody; undefined: it stays as it is. A quarantined host loses its pay
 * at once, and so does a retired one: its owner may have deleted the account before anybody acted on its exclusion.
 */
export function reopen(
  { workUnit, successes }: { readonly workUnit: WorkUnit; readonly successes: readonly Success[] },
  doubted: ReadonlyMap<HostId, Standing>,
): Reopening | undefined {
  if (workUnit.state !== 'valid' || !successes.some(s => isInDoubt(workUnit, s, doubted))) return undefined
  const judged = successes.filter(
    s => !s.trusted && s.unreadable === null && (s.verdict === 'valid' || s.verdict === 'inconclusive'),
  )
  const reversals = judged.flatMap(s => {
    const host = doubted.get(s.hostId)
    return host?.state === 'quarantined' || host?.state === 'retired' ? grantOf(workUnit, s, host) : []
  })
  return { workUnitId: workUnit.id, results: judged.map(s => s.id), reversals }
}

/** Whether this valid result is one that nobody vouches for but a host that is in doubt itself. */
function isInDoubt(
  { engineClass }: WorkUnit,
  { hostId, verdict, confirmed, reportedAt }: Success,
  doubted: ReadonlyMap<HostId, Standing>,
): boolean {
  const host = doubted.get(hostId)
  if (host === undefined || verdict !== 'valid' || confirmed) return false
  return host.state !== 'active' || isDoubtedBy(reportedAt, streakOf(host, engineClass))
}
