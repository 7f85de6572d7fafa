import { type EngineClass, isExact } from '#protocol/engine.ts'
import type { ResultId } from '#protocol/units.ts'
import { unreachable } from './invariant.ts'
import { votesNeeded } from './trust.ts'
import type { Draw, FinalVerdict, Policy, UnitCheck, WorkUnit } from './types.ts'

/** A success to be judged, as far as judging depends on who computed it. */
export interface Claim {
  readonly id: ResultId
  /** By a host whose answer is authoritative. */
  readonly trusted: boolean
  /** By a quarantined host: it may be right, but its agreement proves nothing. */
  readonly excluded: boolean
  /** By a host whose streak allowed single replication when the report was accepted, and that is not in doubt since. */
  readonly proven: boolean
  readonly draw: Draw
}

/** Why only the verifier can settle a unit. */
export type Demand = 'disagreement' | 'sample' | 'record'

export interface Judgement {
  /** The result that stands for the unit from now on; null: it stays open, or its answer stays what it is. */
  readonly canonicalId: ResultId | null
  /** Only of those that are decided now, or otherwise than before. */
  readonly verdicts: ReadonlyMap<ResultId, FinalVerdict>
  /** Nobody trusted has spoken, and somebody must. */
  readonly demand: Demand | null
}

/** What the rules of judging need of a work unit; `canonical` is that of a valid one, trusted also if it was verified. */
export interface Judged {
  readonly state: WorkUnit['state']
  readonly policy: Policy
  readonly minQuorum: number
  readonly disputed: boolean
  readonly check: UnitCheck
  readonly engineClass: EngineClass
  readonly canonical: Claim | null
}

export interface Claims {
  /** Not judged yet. */
  readonly pending: readonly Claim[]
  /** Judged before: valid or inconclusive. A verifier who contradicts the answer has them judged again. */
  readonly judged: readonly Claim[]
  /** Symmetric. It need not be transitive: everything is compared with one candidate, never in a chain. */
  same(a: ResultId, b: ResultId): boolean
  /** Whether publishing this result would change what people look at first. */
  isRecord(id: ResultId): boolean
}

/**
 * Judges the pending successes of a work unit (DESIGN §8, V2 and V3). A trusted result is the truth, also against an
 * answer that stands. Without one, one proven host alone or a quorum of equal strangers is enough while nobody disagrees; a
 * disagreement is never settled by a majority, a record not without the verifier. The outcome does not depend on the
 * order of claims: among equals the smallest id, that is the oldest result, stands.
 */
export function judge(unit: Judged, claims: Claims): Judgement {
  const sorted = { ...claims, pending: byAge(claims.pending), judged: byAge(claims.judged) }
  switch (unit.state) {
    case 'open':
      return judgeOpen(unit, sorted)
    case 'valid':
      return unit.canonical === null ? undecided : judgeValid(unit, unit.canonical, sorted)
    case 'failed':
    case 'cancelled':
      return judgeRemainder(unit, sorted)
    default:
      return unreachable(unit.state)
  }
}

const byAge = (claims: readonly Claim[]): Claim[] => claims.toSorted((a, b) => (a.id < b.id ? -1 : 1))

const undecided: Judgement = { canonicalId: null, verdicts: new Map(), demand: null }

function judgeOpen(unit: Judged, claims: Claims): Judgement {
  const { pending, same, isRecord } = claims
  const truth = pending.find(claim => claim.trusted)
  if (truth !== undefined) return { ...compareAll(truth, pending, same), canonicalId: truth.id }
  if (unit.disputed || unit.check === 'verifier') return undecided
  const voters = pending.filter(claim => !claim.excluded)
  const candidate = voters[0]
  if (candidate === undefined || voters.length < votesNeeded(unit, voters))
    return { ...undecided, verdicts: allInconclusive(pending.filter(claim => claim.excluded)) }
  if (!voters.every(claim => same(candidate.id, claim.id))) return { ...undecided, demand: 'disagreement' }
  if (voters.some(claim => claim.draw === 'verifier')) return undecided
  if (unit.check === 'sample' && !voters.some(claim => claim.proven))
    return { ...undecided, demand: 'sample' }
  if (!isVouchedFor(unit, voters) && isRecord(candidate.id)) return { ...undecided, demand: 'record' }
  return { ...compareAll(candidate, pending, same), canonicalId: candidate.id }
}

/**
 * Where runs are compared with a tolerance, their weights were looked at by now (V1): then a record needs an equal result of a proven
 * host of another owner, instead of the verifier (DESIGN §8).
 */
const isVouchedFor = ({ engineClass }: Judged, voters: readonly Claim[]): boolean =>
  !isExact(engineClass) && voters.length > 1 && voters.some(claim => claim.proven)

// Who differs from an answer that no trusted host gave may be right: the verifier says, as long as one may be asked.
function judgeValid(unit: Judged, canonical: Claim, claims: Claims): Judgement {
  const { pending, judged, same } = claims
  const truth = pending.find(claim => claim.trusted)
  if (truth === undefined || canonical.trusted) {
    const differs = pending.some(claim => !claim.excluded && !same(canonical.id, claim.id))
    if (differs && !canonical.trusted && unit.check !== 'verifier' && !unit.disputed)
      return { ...undecided, demand: 'disagreement' }
    return compareAll(canonical, pending, same)
  }
  if (same(canonical.id, truth.id)) return compareAll(truth, pending, same)
  const again = [...judged.filter(claim => !claim.trusted), ...pending]
  return { ...compareAll(truth, again, same), canonicalId: truth.id }
}

// A unit that ended without an answer still pays those who can be shown to be right.
function judgeRemainder(unit: Judged, claims: Claims): Judgement {
  const settled = judgeOpen(unit, { ...claims, isRecord: () => false })
  const isSettled = settled.canonicalId !== null
  return { ...undecided, verdicts: isSettled ? settled.verdicts : allInconclusive(claims.pending) }
}

// Who differs from a trusted result is wrong. Who differs from strangers, or is trusted as well, may be right: that is
// for people to look at, and costs the host nothing.
function compareAll(canonical: Claim, claims: readonly Claim[], same: Claims['same']): Judgement {
  const verdict = (claim: Claim): FinalVerdict => {
    if (claim.id === canonical.id || same(canonical.id, claim.id)) return 'valid'
    return canonical.trusted && !claim.trusted ? 'invalid' : 'inconclusive'
  }
  return { ...undecided, verdicts: new Map(claims.map(claim => [claim.id, verdict(claim)])) }
}

const allInconclusive = (claims: readonly Claim[]): ReadonlyMap<ResultId, FinalVerdict> =>
  new Map(claims.map(claim => [claim.id, 'inconclusive']))
