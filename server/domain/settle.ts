import type { HostId, Instant, MilliCredit, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import type { Grant, StandingGrant } from './grants.ts'
import { type Claim, type Demand, type Judgement, judge } from './judge.ts'
import { disputeNotes, type HostNote, type News, notesOn } from './notes.ts'
import { nextQuota } from './quota.ts'
import { earnedBy, payOf } from './settle-pay.ts'
import {
  exclude,
  fault,
  finish,
  isDoubtedBy,
  passCheck,
  recordCheck,
  type Standing,
  streakOf,
} from './trust.ts'
import type { Draw, FinalVerdict, Verdict, WorkUnit } from './types.ts'

/** A success of the work unit: the pending ones are judged, the others are what they are compared with. */
export interface Success {
  readonly id: ResultId
  readonly hostId: HostId
  readonly ownerKey: string
  readonly trusted: boolean
  readonly proven: boolean // when the report was accepted
  readonly draw: Draw
  readonly verdict: Verdict
  readonly confirmed: boolean
  readonly reportedAt: Instant
  readonly fuelUsed: number
  /** Where the budget counts FLOPs: those that were made, which it is paid by. */
  readonly work?: number | null
  /** How often a verdict was given before. */
  readonly decision: number
  /** What it was paid for an earlier verdict, that of `decision`; `vested`: not held any more. */
  readonly paid: {
    readonly amountMilli: MilliCredit
    readonly decision: number
    readonly vested: boolean
  } | null
  /** Another run gave the same digest. Recipes that differ in what has no effect do; wrong as well, it was copied. */
  readonly copied?: boolean
  /** Why the report cannot be read at all, or contradicts itself; null: it does neither. */
  readonly unreadable: string | null
  /** Its weights were asked for and never came: that is no lie, and nothing is paid for it. */
  readonly undelivered?: boolean
}

export interface Case {
  readonly workUnit: WorkUnit
  readonly successes: readonly Success[]
  readonly priceMilliPerGfuel: number
  /** Whose credit pays: nobody earns from a campaign of its own, also not with a host that it claimed meanwhile. */
  readonly payerId?: UserId
  /** Symmetric; only readable successes are compared. */
  same(a: ResultId, b: ResultId): boolean
  /** Whether a readable success would be seen first by whoever looks at the campaign. */
  isRecord(id: ResultId): boolean
  /** How two readable successes differ, in words. */
  whereTheyPart(a: ResultId, b: ResultId): string
}

export interface Settlement {
  readonly workUnitId: WorkUnitId
  /** The open unit becomes valid with this canonical result, or the valid one gets it instead of the one it had. */
  readonly canonicalId: ResultId | null
  /** What it published is withdrawn: the verifier contradicts the answer that stood. */
  readonly overturned: boolean
  /** Why it must wait for the verifier from now on. */
  readonly demand: Demand | null
  readonly verdicts: readonly Decided[]
  /** Valid before, confirmed now. */
  readonly confirmed: readonly ResultId[]
  /** Their host's streak broke since they were accepted: they count as a stranger's. */
  readonly doubted: readonly ResultId[]
  readonly grants: readonly Grant[]
  /** What was paid for a verdict that does not hold. */
  readonly reversals: readonly StandingGrant[]
  /** Paid before, held until now. */
  readonly vests: readonly Grant[]
  readonly notes: readonly HostNote[]
}

export interface Decided {
  readonly resultId: ResultId
  readonly verdict: FinalVerdict
  readonly amountMilli: MilliCredit // that it has earned in all
  readonly confirmed: boolean
  /** It stands alone: until the next check of its host passes it is shown as such, and its pay is held. */
  readonly provisional: boolean
}

/**
 * Judges what is pending of a work unit and says what follows: verdicts, pay, what is confirmed, and how the hosts stand
 * afterwards. Trusted hosts are the operator's: they earn nothing and have no quota. Only hosts in `standings` are
 * touched; their new standings come back.
 */
export function settle(
  facts: Case,
  standings: ReadonlyMap<HostId, Standing>,
  now: Instant,
): { settlement: Settlement; standings: ReadonlyMap<HostId, Standing> } {
  const { workUnit, successes } = facts
  const judgement = judgeCase(facts, standings)
  const truth = truthOf(facts, judgement.canonicalId)
  const confirmed = confirmedBy(facts, judgement, standings)
  const after = new Map(standings)
  const notes: HostNote[] = []
  for (const success of successes) {
    const verdict = judgement.verdicts.get(success.id)
    const before = after.get(success.hostId)
    if (before === undefined) continue
    const news = { facts, success, verdict, truth, isConfirmed: confirmed.has(success.id) }
    const host = success.trusted ? before : judgeHost(before, news, now)
    after.set(host.id, host)
    notes.push(...notesOn({ ...news, before, after: host }))
  }
  const decided = decidedOf(facts, judgement, confirmed, standings)
  const settlement = {
    workUnitId: workUnit.id,
    canonicalId: judgement.canonicalId,
    overturned: workUnit.state === 'valid' && judgement.canonicalId !== null,
    demand: judgement.demand,
    verdicts: decided,
    confirmed: successes.flatMap(({ id }) => (confirmed.has(id) && !judgement.verdicts.has(id) ? [id] : [])),
    doubted: successes.flatMap(s => (s.proven && !isProvenStill(facts, s, standings) ? [s.id] : [])),
    ...payOf(facts, decided, standings),
    notes: judgement.demand === 'disagreement' ? [...notes, ...disputeNotes(facts)] : notes,
  }
  return { settlement, standings: after }
}

const isProvenStill = (
  { workUnit }: Case,
  { hostId, proven, verdict, reportedAt }: Success,
  standings: ReadonlyMap<HostId, Standing>,
): boolean => {
  const host = standings.get(hostId)
  if (!proven || host === undefined || verdict !== 'pending') return proven
  return host.state === 'active' && !isDoubtedBy(reportedAt, streakOf(host, workUnit.engineClass))
}

function judgeCase(facts: Case, standings: ReadonlyMap<HostId, Standing>): Judgement {
  const { workUnit, successes, same, isRecord } = facts
  const claimOf = (success: Success): Claim => ({
    ...{ id: success.id, trusted: success.trusted, draw: success.draw },
    proven: isProvenStill(facts, success, standings),
    excluded: standings.get(success.hostId)?.state === 'quarantined',
  })
  const canonicalId = workUnit.state === 'valid' ? workUnit.canonicalId : null
  const canonical = successes.find(success => success.id === canonicalId)
  const isVerified = successes.some(success => success.trusted && success.verdict === 'valid')
  const standing = canonical === undefined ? null : claimOf(canonical)
  const readable = successes.filter(s => s.unreadable === null && s.undelivered !== true)
  const judgement = judge(
    {
      ...workUnit,
      canonical: standing === null ? null : { ...standing, trusted: standing.trusted || isVerified },
    },
    {
      pending: readable.filter(success => success.verdict === 'pending').map(claimOf),
      judged: readable.filter(isJudged).map(claimOf),
      same,
      isRecord,
    },
  )
  const unfit = successes.filter(s => s.verdict === 'pending' && !readable.includes(s))
  const verdictOn = ({ id, unreadable }: Success) =>
    [id, unreadable === null ? 'inconclusive' : 'invalid'] as const
  return {
    ...judgement,
    verdicts: new Map([...judgement.verdicts, ...unfit.map(verdictOn)]),
  }
}

const isJudged = ({ verdict }: Success): boolean => verdict === 'valid' || verdict === 'inconclusive'

/** What the others were compared with: the canonical result, of now or of before. */
function truthOf({ workUnit, successes }: Case, canonicalId: ResultId | null): Success | undefined {
  const standing = workUnit.state === 'valid' ? workUnit.canonicalId : null
  const said = successes.find(success => success.trusted && success.unreadable === null)
  return said ?? successes.find(success => success.id === (canonicalId ?? standing))
}

const verdictOf = (success: Success, { verdicts }: Judgement): Verdict =>
  verdicts.get(success.id) ?? success.verdict

/** Valid results that are confirmed now: another one is the verifier's, or a proven host's of another owner. */
function confirmedBy(
  facts: Case,
  judgement: Judgement,
  standings: ReadonlyMap<HostId, Standing>,
): ReadonlySet<ResultId> {
  const valid = facts.successes.filter(success => verdictOf(success, judgement) === 'valid')
  const vouches = valid.filter(s => s.trusted || isProvenStill(facts, s, standings))
  const isVouchedFor = ({ id, ownerKey }: Success): boolean =>
    vouches.some(other => other.id !== id && (other.trusted || other.ownerKey !== ownerKey))
  return new Set(valid.flatMap(s => (!s.confirmed && (s.trusted || isVouchedFor(s)) ? [s.id] : [])))
}

function judgeHost(standing: Standing, news: News, now: Instant): Standing {
  const { facts, success, verdict, truth, isConfirmed } = news
  const { engineClass, auditedAt } = facts.workUnit
  const isReadable = success.unreadable === null
  const wasChecked = truth?.trusted === true && isReadable && (isConfirmed || verdict === 'invalid')
  const recentChecks = wasChecked
    ? recordCheck(standing.recentChecks, verdict !== 'invalid')
    : standing.recentChecks
  const compared = { ...standing, recentChecks }
  if (verdict === 'invalid') {
    if (!isReadable) return withQuota(compared, 'invalid')
    const faulty = fault(compared, engineClass, now)
    return success.copied === true ? exclude(faulty) : faulty
  }
  const paid = verdict === 'valid' ? withQuota(compared, 'valid') : compared
  if (!isConfirmed)
    return verdict === 'valid' && isDrawnAndShared(facts, success)
      ? finish(paid, engineClass, success.reportedAt)
      : paid
  const drawnAt = auditedAt !== null && auditedAt > success.reportedAt ? auditedAt : success.reportedAt
  const passed = passCheck(paid, { engineClass, fuel: success.fuelUsed, at: drawnAt })
  return truth?.trusted && passed.selfTest === 'failed' ? { ...passed, selfTest: 'none' } : passed
}

/** The second replica that was drawn for it came from another owner; as the result is valid, it is equal. */
const isDrawnAndShared = ({ successes }: Case, { draw, ownerKey }: Success): boolean =>
  draw === 'replica' &&
  successes.some(s => s.ownerKey !== ownerKey && s.verdict !== 'invalid' && s.unreadable === null)

// Whose self-test failed stays at what it was throttled to until it is right again in a comparison with the verifier.
const withQuota = (standing: Standing, event: 'valid' | 'invalid'): Standing =>
  standing.selfTest === 'failed' && event === 'valid'
    ? standing
    : { ...standing, dailyQuota: nextQuota(standing.dailyQuota, event) }

function decidedOf(
  facts: Case,
  judgement: Judgement,
  confirmed: ReadonlySet<ResultId>,
  standings: ReadonlyMap<HostId, Standing>,
): Decided[] {
  const { workUnit, successes } = facts
  const agreeing = successes.filter(success => verdictOf(success, judgement) === 'valid').length
  const isAlone = workUnit.policy === 'adaptive' && agreeing === 1 && judgement.canonicalId !== null
  return successes.flatMap(success => {
    const verdict = judgement.verdicts.get(success.id)
    if (verdict === undefined) return []
    const isConfirmed = confirmed.has(success.id) || (success.confirmed && verdict === 'valid')
    const provisional = isAlone && verdict === 'valid' && !isConfirmed
    const amountMilli = verdict === 'valid' ? earnedBy(facts, success, standings) : 0
    return [{ resultId: success.id, verdict, amountMilli, confirmed: isConfirmed, provisional }]
  })
}
