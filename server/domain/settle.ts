import type { CampaignId, HostId, MilliCredit, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import type { Grant } from './grants.ts'
import { judge, type Same } from './judge.ts'
import { payeeAccount } from './ledger.ts'
import { earned } from './prices.ts'
import { nextQuota, type QuotaEvent } from './quota.ts'
import { recordCheck, shouldQuarantine } from './trust.ts'
import type { FinalVerdict, Verdict, WorkUnit } from './types.ts'

/** A success of the work unit: the pending ones are judged, the others are what they are compared with. */
export interface Success {
  readonly id: ResultId
  readonly hostId: HostId
  readonly trusted: boolean
  readonly verdict: Verdict
  readonly fuelUsed: number
  /** Why the report cannot be read at all; null: it can. */
  readonly unreadable: string | null
}

/** What judging changes of a host. */
export interface Standing {
  readonly id: HostId
  readonly userId: UserId | null
  readonly state: 'active' | 'quarantined' | 'retired'
  readonly dailyQuota: number
  readonly recentChecks: string
}

export interface Case {
  readonly workUnit: WorkUnit
  readonly successes: readonly Success[]
  readonly priceMilliPerGfuel: number
  readonly same: Same
  /** How two readable successes differ, in words. */
  whereTheyPart(a: ResultId, b: ResultId): string
}

export interface Settlement {
  readonly workUnitId: WorkUnitId
  /** The unit becomes valid with this canonical result. */
  readonly canonicalId: ResultId | null
  readonly becomesDisputed: boolean
  readonly verdicts: readonly { resultId: ResultId; verdict: FinalVerdict; amountMilli: MilliCredit }[]
  readonly grants: readonly Grant[]
  readonly notes: readonly HostNote[]
}

/** For whoever reads what became of a host. */
export interface HostNote {
  readonly hostId: HostId
  readonly event: 'disputed' | 'invalid' | 'differs_from_trusted' | 'quarantined' | 'no_reply'
  readonly detail: string
}

/**
 * Judges what is pending of a work unit and says what follows: verdicts, pay, and how the hosts stand afterwards. Trusted
 * hosts are the operator's: they earn nothing and have no quota. Only hosts in `standings` are touched; their new
 * standings come back.
 */
export function settle(
  facts: Case,
  standings: ReadonlyMap<HostId, Standing>,
): { settlement: Settlement; standings: ReadonlyMap<HostId, Standing> } {
  const after = new Map(standings)
  const notes: HostNote[] = []
  const judgement = judgeCase(facts, standings)
  const truth = truthOf(facts, judgement.canonicalId)
  const decided = facts.successes.flatMap(success => {
    const verdict = judgement.verdicts.get(success.id)
    if (verdict === undefined) return []
    const standing = after.get(success.hostId)
    if (standing !== undefined) {
      const wasChecked = truth?.trusted === true && success.unreadable === null
      const judged = success.trusted ? standing : judgeHost(standing, verdict, wasChecked)
      after.set(standing.id, judged)
      notes.push(...notesOn({ facts, success, verdict, truth, before: standing, after: judged }))
    }
    return [{ resultId: success.id, verdict, amountMilli: payOf(facts, success, verdict, standing) }]
  })
  if (judgement.disputed) notes.push(...disputeNotes(facts))
  const settlement = {
    workUnitId: facts.workUnit.id,
    canonicalId: facts.workUnit.state === 'open' ? judgement.canonicalId : null,
    becomesDisputed: judgement.disputed && !facts.workUnit.disputed,
    verdicts: decided,
    grants: grantsOf(facts, decided, standings),
    notes,
  }
  return { settlement, standings: after }
}

/** A host after one of its leases ended without a word. */
export function loseLease(standing: Standing): Standing {
  return { ...standing, dailyQuota: nextQuota(standing.dailyQuota, 'no_reply') }
}

function judgeCase(facts: Case, standings: ReadonlyMap<HostId, Standing>) {
  const { workUnit, successes, same } = facts
  const claimOf = (success: Success) => ({
    id: success.id,
    trusted: success.trusted,
    excluded: standings.get(success.hostId)?.state === 'quarantined',
  })
  const pending = successes.filter(success => success.verdict === 'pending')
  const canonicalId = workUnit.state === 'valid' ? workUnit.canonicalId : null
  const canonical = successes.find(success => success.id === canonicalId)
  const judgement = judge(
    { ...workUnit, canonical: canonical === undefined ? null : claimOf(canonical) },
    pending.filter(success => success.unreadable === null).map(claimOf),
    same,
  )
  const verdicts = new Map(judgement.verdicts)
  for (const { id, unreadable } of pending) if (unreadable !== null) verdicts.set(id, 'invalid')
  return { ...judgement, verdicts }
}

/** What the others were compared with: the canonical result, of now or of before. */
function truthOf({ workUnit, successes }: Case, canonicalId: ResultId | null): Success | undefined {
  const id = workUnit.state === 'valid' ? workUnit.canonicalId : canonicalId
  return successes.find(success => success.id === id)
}

function judgeHost(standing: Standing, verdict: FinalVerdict, wasChecked: boolean): Standing {
  if (verdict === 'inconclusive') return standing
  const event: QuotaEvent = verdict
  const recentChecks = wasChecked
    ? recordCheck(standing.recentChecks, verdict === 'valid')
    : standing.recentChecks
  const isOut = standing.state === 'active' && shouldQuarantine(recentChecks)
  return {
    ...standing,
    dailyQuota: nextQuota(standing.dailyQuota, event),
    recentChecks,
    state: isOut ? 'quarantined' : standing.state,
  }
}

function payOf(
  { workUnit, priceMilliPerGfuel }: Case,
  { fuelUsed, trusted }: Success,
  verdict: FinalVerdict,
  standing: Standing | undefined,
): MilliCredit {
  if (verdict !== 'valid' || trusted || standing === undefined || standing.state === 'quarantined') return 0
  return earned({ fuelUsed, fuelMax: workUnit.fuelMax, priceMilliPerGfuel })
}

function grantsOf(
  { workUnit, successes }: Case,
  verdicts: Settlement['verdicts'],
  standings: ReadonlyMap<HostId, Standing>,
): Grant[] {
  const hostOf = new Map(successes.map(success => [success.id, standings.get(success.hostId)]))
  return verdicts.flatMap(({ resultId, amountMilli }) => {
    const host = hostOf.get(resultId)
    if (host === undefined || amountMilli === 0) return []
    const campaignId: CampaignId = workUnit.campaignId
    return [{ resultId, decision: 0, campaignId, payee: payeeAccount(host), amountMilli }]
  })
}

interface Judged {
  readonly facts: Case
  readonly success: Success
  readonly verdict: FinalVerdict
  readonly truth: Success | undefined
  readonly before: Standing
  readonly after: Standing
}

function notesOn({ facts, success, verdict, truth, before, after }: Judged): HostNote[] {
  if (verdict === 'valid') return []
  const { id, hostId, unreadable } = success
  const where = truth === undefined || unreadable !== null ? undefined : facts.whereTheyPart(truth.id, id)
  const about = `result ${id} of work unit ${facts.workUnit.id}`
  const notes: HostNote[] = []
  if (unreadable !== null) notes.push({ hostId, event: 'invalid', detail: `${about}: ${unreadable}` })
  else if (where !== undefined && truth !== undefined)
    notes.push({
      hostId,
      event: truth.trusted ? 'differs_from_trusted' : 'disputed',
      detail: `${about} against ${truth.id}: ${where}`,
    })
  if (before.state !== after.state)
    notes.push({
      hostId,
      event: 'quarantined',
      detail: `last comparisons with trusted results: ${after.recentChecks}`,
    })
  return notes
}

function disputeNotes({ workUnit, successes, whereTheyPart, same }: Case): HostNote[] {
  const claims = successes.filter(success => success.verdict === 'pending' && success.unreadable === null)
  return claims.flatMap(success => {
    const other = claims.find(claim => claim.id !== success.id && !same(claim.id, success.id))
    if (other === undefined) return []
    const detail = `result ${success.id} of work unit ${workUnit.id} against ${other.id}: ${whereTheyPart(other.id, success.id)}`
    return [{ hostId: success.hostId, event: 'disputed' as const, detail }]
  })
}
