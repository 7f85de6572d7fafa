import type { ResultId } from '#protocol/units.ts'
import { unreachable } from './invariant.ts'
import type { FinalVerdict, WorkUnit } from './types.ts'

/** A success to be judged, as far as judging depends on who computed it. */
export interface Claim {
  readonly id: ResultId
  /** By a host whose answer is authoritative. */
  readonly trusted: boolean
  /** By a quarantined host: it may be right, but its agreement proves nothing. */
  readonly excluded: boolean
}

export interface Judgement {
  /** The result that stands for an open unit from now on; null: it stays open, or is closed already. */
  readonly canonicalId: ResultId | null
  /** Only of those that are decided now. */
  readonly verdicts: ReadonlyMap<ResultId, FinalVerdict>
  /** Strangers disagree and nobody trusted has spoken. */
  readonly disputed: boolean
}

/** What the rules of judging need of a work unit; `canonical` is that of a valid one. */
export interface Judged {
  readonly state: WorkUnit['state']
  readonly minQuorum: number
  readonly disputed: boolean
  readonly canonical: Claim | null
}

/** Symmetric. It need not be transitive: everything is compared with one candidate, never in a chain. */
export type Same = (a: ResultId, b: ResultId) => boolean

/**
 * Judges the pending successes of a work unit (DESIGN §8, V2 and V3). A trusted result is the truth. Without one,
 * `minQuorum` equal strangers are enough while nobody disagrees; a disagreement is never settled by their majority. The
 * outcome does not depend on the order of `pending`: among equals the smallest id, that is the oldest result, stands.
 */
export function judge(unit: Judged, pending: readonly Claim[], same: Same): Judgement {
  const claims = pending.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  switch (unit.state) {
    case 'open':
      return judgeOpen(unit, claims, same)
    case 'valid':
      return unit.canonical === null ? undecided : compareAll(unit.canonical, claims, same)
    case 'failed':
    case 'cancelled':
      return judgeRemainder(unit, claims, same)
    default:
      return unreachable(unit.state)
  }
}

const undecided: Judgement = { canonicalId: null, verdicts: new Map(), disputed: false }

function judgeOpen(unit: Judged, claims: readonly Claim[], same: Same): Judgement {
  const truth = claims.find(claim => claim.trusted)
  if (truth !== undefined) return { ...compareAll(truth, claims, same), canonicalId: truth.id }
  if (unit.disputed) return undecided
  const voters = claims.filter(claim => !claim.excluded)
  const candidate = voters[0]
  if (candidate === undefined || voters.length < unit.minQuorum)
    return { ...undecided, verdicts: allInconclusive(claims.filter(claim => claim.excluded)) }
  if (!voters.every(claim => same(candidate.id, claim.id))) return { ...undecided, disputed: true }
  return { ...compareAll(candidate, claims, same), canonicalId: candidate.id }
}

// A unit that ended without an answer still pays those who can be shown to be right.
function judgeRemainder(unit: Judged, claims: readonly Claim[], same: Same): Judgement {
  const settled = judgeOpen(unit, claims, same)
  const isSettled = settled.canonicalId !== null
  return { ...undecided, verdicts: isSettled ? settled.verdicts : allInconclusive(claims) }
}

// Who differs from a trusted result is wrong. Who differs from strangers, or is trusted as well, may be right: that is
// for people to look at, and costs the host nothing.
function compareAll(canonical: Claim, claims: readonly Claim[], same: Same): Judgement {
  const verdict = (claim: Claim): FinalVerdict => {
    if (claim.id === canonical.id || same(canonical.id, claim.id)) return 'valid'
    return canonical.trusted && !claim.trusted ? 'invalid' : 'inconclusive'
  }
  return { ...undecided, verdicts: new Map(claims.map(claim => [claim.id, verdict(claim)])) }
}

const allInconclusive = (claims: readonly Claim[]): ReadonlyMap<ResultId, FinalVerdict> =>
  new Map(claims.map(claim => [claim.id, 'inconclusive']))
