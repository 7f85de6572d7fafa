import type { HostId } from '#protocol/units.ts'
import type { Case, Success } from './settle.ts'
import type { Standing } from './trust.ts'
import type { FinalVerdict } from './types.ts'

/** For whoever reads what became of a host. */
export interface HostNote {
  readonly hostId: HostId
  readonly event: 'disputed' | 'invalid' | 'differs_from_trusted' | 'quarantined' | 'no_reply'
  readonly detail: string
}

/** What a settlement says of one success. */
export interface News {
  readonly facts: Case
  readonly success: Success
  readonly verdict: FinalVerdict | undefined // of now
  readonly truth: Success | undefined
  readonly isConfirmed: boolean // now
}

interface Told extends News {
  readonly before: Standing
  readonly after: Standing
}

/** What the owner of a host, and the operator, should know of a verdict. */
export function notesOn({ facts, success, verdict, truth, before, after }: Told): HostNote[] {
  if (verdict === undefined || verdict === 'valid') return []
  const { id, hostId, unreadable } = success
  const about = `result ${id} of work unit ${facts.workUnit.id}`
  const notes: HostNote[] = []
  if (unreadable !== null) notes.push({ hostId, event: 'invalid', detail: `${about}: ${unreadable}` })
  else if (truth !== undefined)
    notes.push({
      hostId,
      event: truth.trusted ? 'differs_from_trusted' : 'disputed',
      detail: `${about} against ${truth.id}: ${facts.whereTheyPart(truth.id, id)}`,
    })
  if (before.state !== after.state)
    notes.push({
      hostId,
      event: 'quarantined',
      detail: `${whyExcluded(before, success)}; last comparisons with trusted results: ${after.recentChecks}`,
    })
  return notes
}

/** Why a verdict of the verifier excludes a host. */
export const whyExcluded = (
  before: Pick<Standing, 'state'>,
  { id, copied }: Pick<Success, 'id' | 'copied'>,
): string =>
  copied === true
    ? `result ${id} is wrong, and the answer of another run`
    : before.state === 'paused'
      ? 'a fault while another host of its owner was excluded'
      : 'its results differ from trusted re-runs'

/** To both sides of a disagreement where they part. */
export function disputeNotes({ workUnit, successes, whereTheyPart, same }: Case): HostNote[] {
  const claims = successes.filter(
    ({ verdict, unreadable }) => unreadable === null && (verdict === 'pending' || verdict === 'valid'),
  )
  return claims.flatMap(success => {
    const other = claims.find(claim => claim.id !== success.id && !same(claim.id, success.id))
    if (other === undefined) return []
    const detail = `result ${success.id} of work unit ${workUnit.id} against ${other.id}: ${whereTheyPart(other.id, success.id)}`
    return [{ hostId: success.hostId, event: 'disputed' as const, detail }]
  })
}
