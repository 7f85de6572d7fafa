import { votesNeeded } from './trust.ts'
import type { Draw, Lane, Result, ResultKind, WorkUnit } from './types.ts'

/** What an open work unit wants. */
export interface Wanted {
  readonly kind: ResultKind
  readonly lane: Lane
  /** How many are wanted alive, and how many of them it cannot do without. */
  readonly target: number
  readonly needed: number
  /** Results short of the target. */
  readonly missing: number
  /** How many more may be created: by the limit on all results, and by that on successes as well. */
  readonly roomInTotal: number
  readonly room: number
  /** How many to create: the missing ones, as far as there is room. */
  readonly count: number
  /** Unsent results that cannot help any more. */
  readonly unneeded: readonly Result[]
}

/** The results an open work unit is short of, or has too many of. */
export function wanted(workUnit: WorkUnit, results: readonly Result[]): Wanted {
  const roomInTotal = Math.max(0, workUnit.maxTotalResults - results.length)
  return awaitsVerifier(workUnit, results)
    ? wantedCheck(results, roomInTotal)
    : wantedReplicas(workUnit, results, roomInTotal)
}

function wantedCheck(results: readonly Result[], roomInTotal: number): Wanted {
  const missing = results.some(isLiveCheck) ? 0 : 1
  const unneeded = results.filter(result => result.state === 'unsent' && result.kind === 'replica')
  const limits = { target: 1, needed: 1, missing, roomInTotal, room: roomInTotal }
  return { kind: 'check', lane: 'verifier', ...limits, count: Math.min(missing, roomInTotal), unneeded }
}

function wantedReplicas(workUnit: WorkUnit, results: readonly Result[], roomInTotal: number): Wanted {
  const succeeded = results.filter(isSuccess).length
  const live = results.filter(result => isLive(result) && !(workUnit.canary && result.kind === 'check'))
  const room = Math.min(roomInTotal, Math.max(0, workUnit.maxSuccessResults - succeeded - live.length))
  const pending = results.filter(result => isUnjudged(result) && !(workUnit.canary && isTrusted(result)))
  const { target: usual, needed, lane } = seatsOf(workUnit, results)
  const target = usual + results.filter(result => isOvertaken(workUnit, result)).length
  const alive = pending.length + live.length
  const missing = Math.max(0, target - alive)
  const unsent = live.filter(result => result.state === 'unsent')
  const unneeded = workUnit.policy === 'fixed' ? [] : unsent.slice(0, Math.max(0, alive - target))
  const limits = { target, needed, missing, roomInTotal, room }
  return { kind: 'replica', lane, ...limits, count: Math.min(missing, room), unneeded }
}

/** How many replicas are wanted at a time, and whom a new one is kept for. */
function seatsOf(workUnit: WorkUnit, results: readonly Result[]): Pick<Wanted, 'target' | 'needed' | 'lane'> {
  if (workUnit.canary) return { target: 1, needed: 1, lane: 'unproven' }
  if (workUnit.policy === 'fixed')
    return { target: workUnit.targetResults, needed: workUnit.minQuorum, lane: 'anyone' }
  const held = results.filter(result => isUnjudged(result) || result.state === 'in_progress')
  // Whoever was overtaken may never come: what others said needs company as if it was not there.
  const others = held.filter(result => !isOvertaken(workUnit, result))
  const holders = holdersOf(others.length === 0 ? held : others)
  if (holders.length === 0) return { target: 1, needed: 1, lane: 'anyone' } // perhaps a proven host takes it
  const needed = votesNeeded(workUnit, holders)
  // The check of a proven host is work for newcomers: what they say of it counts for them, and not for its streak.
  const isDrawn = holders.every(holder => holder.proven) && holders.some(holder => holder.draw === 'replica')
  return { target: needed, needed, lane: isDrawn ? 'unproven' : 'proven' }
}

/** What is known of those who hold these results: a check is drawn only when a report comes. Who is trusted stands alone. */
export const holdersOf = (results: readonly Result[]): { proven: boolean; draw: Draw }[] =>
  results.flatMap(result =>
    'proven' in result
      ? [{ proven: result.proven || result.trusted, draw: 'draw' in result ? result.draw : 'none' }]
      : [],
  )

/** A success that has no verdict yet, whether or not it may be judged already. */
const isUnjudged = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'success' && result.verdict === 'pending'
const isUnproved = (result: Result): boolean =>
  isUnjudged(result) && 'proof' in result && result.proof === 'awaited'
/** A success to be judged now. */
export const isPending = (result: Result): boolean => isUnjudged(result) && !isUnproved(result)
/** A success to be judged now whose weights speak against it, whatever others say. */
export const isRefuted = (result: Result): boolean =>
  isPending(result) && 'proof' in result && result.proof === 'refuted'
export const isLive = (result: Result): boolean => result.state === 'unsent' || result.state === 'in_progress'
export const isLiveCheck = (result: Result): boolean =>
  (isLive(result) && result.kind === 'check') ||
  (result.state === 'in_progress' && result.trusted) ||
  (isUnproved(result) && isTrusted(result))
export const isSuccess = (result: Result): boolean => result.state === 'over' && result.outcome === 'success'
export const isError = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'error' && !result.givenBack
export const isTrusted = (result: Result): boolean => 'trusted' in result && result.trusted

/** It computes since before its unit was hurried: somebody else is asked as well, and whoever comes first decides. */
export const isOvertaken = ({ hurriedAt = null }: WorkUnit, result: Result): boolean =>
  hurriedAt !== null && result.state === 'in_progress' && result.createdAt < hurriedAt

/** Only the verifier settles the unit. */
export const needsVerifier = (workUnit: WorkUnit): boolean =>
  workUnit.disputed || workUnit.check === 'verifier'

export function awaitsVerifier(workUnit: WorkUnit, results: readonly Result[]): boolean {
  if (needsVerifier(workUnit)) return true
  const pending = results.filter(isUnjudged)
  if (workUnit.canary) return !pending.some(isTrusted)
  return pending.some(result => 'draw' in result && result.draw === 'verifier')
}
