import { addMs, type HostId, type Instant, instant, type ResultId } from '#protocol/units.ts'
import { OVERDUE } from './hurry.ts'
import { unreachable } from './invariant.ts'
import {
  awaitsVerifier,
  holdersOf,
  isError,
  isLiveCheck,
  isOvertaken,
  isPending,
  isRefuted,
  isSuccess,
  isTrusted,
  needsVerifier,
  wanted,
} from './seats.ts'
import { votesNeeded } from './trust.ts'
import type { FailureReason, Lane, Result, ResultKind, WorkUnit } from './types.ts'

export type Effect =
  /** Its deadline has passed: over, no reply. It may still report until its grace ends. */
  | { readonly type: 'expire_result'; readonly resultId: ResultId; readonly hostId: HostId }
  /** Its unit has ended without it: the host is told to stop; a report counts until `graceUntil`. */
  | { readonly type: 'cancel_result'; readonly resultId: ResultId; readonly graceUntil: Instant }
  /** Nobody computes it and nobody need: over, not needed. */
  | { readonly type: 'drop_result'; readonly resultId: ResultId }
  | {
      readonly type: 'create_results'
      readonly kind: ResultKind
      readonly lane: Lane
      readonly count: number
      readonly attempt: number
    }
  | { readonly type: 'fail'; readonly failure: FailureReason }
  | { readonly type: 'cancel' }
  | { readonly type: 'request_validation' }
  /** Nothing can change any more: the embargo ends. */
  | { readonly type: 'publish' }
  /** When to decide again if nothing happens before; null: never. */
  | { readonly type: 'wake'; readonly at: Instant | null }

// The validator and the assimilator answer in milliseconds, and their requests are as durable as the decision. But a
// server that is killed takes the requests it had fetched with it until they expire: the unit asks again before. Not
// sooner, since under a backlog every unit that waits for its answer looks again this often.
const ANSWER_MS_MAX = 15_000

/** Deadlines grow with the attempt up to this factor: a unit that slow hosts keep losing gets patience (DESIGN §6). */
const DEADLINE_GROWTH_MAX = 4

/** How long a host may take for a result of this attempt, in ms from its lease. Its grace is `graceMs` longer. */
export function deadlineFor(workUnit: Pick<WorkUnit, 'deadlineMs'>, attempt: number): number {
  return workUnit.deadlineMs * Math.min(DEADLINE_GROWTH_MAX, 1 + attempt)
}

/**
 * What should happen to a work unit now, given all its results (DESIGN §6). Total and idempotent: with the effects
 * applied, deciding again at the same moment gives nothing but the wake-up.
 *
 * An open unit wants as many replicas, succeeded or still possible, as its policy asks for (`votesNeeded`); it is judged
 * when enough have succeeded, or at once when a trusted one has. Once disputed, or when a check by the verifier was drawn,
 * only a trusted result settles it, so it wants exactly one check. A canary wants the check first, then one replica. Of
 * a hurried one each host that is overtaken has a second beside it. A closed unit waits for what is still in progress or in its grace, has late successes judged, and is then published; a
 * valid one of which a check is wanted has it made, before or after.
 */
export function transition(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  const expired: Effect[] = []
  const current = results.map(result => {
    if (result.state !== 'in_progress' || result.deadline > now) return result
    expired.push({ type: 'expire_result', resultId: result.id, hostId: result.hostId })
    return { ...result, state: 'over', outcome: 'no_reply' } as const
  })
  if (workUnit.state === 'open') return [...expired, ...decideOpen(workUnit, current, now)]
  const { ends, remaining } = letGo(workUnit, current, now)
  return [...expired, ...ends, ...decideClosed(closedOf(workUnit, remaining, now), remaining, now)]
}

/** Whether a decision asks for this: what was asked for may be done, or overtaken, when it comes to be answered. */
export const isWanted = (type: 'request_validation' | 'publish', effects: readonly Effect[]): boolean =>
  effects.some(effect => effect.type === type)

/** Ends an open unit before it has an answer, because its campaign was cancelled. */
export function cancelWorkUnit(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  if (workUnit.state !== 'open') return []
  return [{ type: 'cancel' }, ...giveUp(workUnit, results, now)]
}

function decideOpen(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  if (canBeJudged(workUnit, results)) return awaitAnswer('request_validation', now)
  const failure = whyHopeless(workUnit, results, now)
  // The verifier's own answer is left of a canary that nobody took.
  if (failure !== undefined && results.some(result => isPending(result) && isTrusted(result)))
    return awaitAnswer('request_validation', now)
  if (failure !== undefined) return [{ type: 'fail', failure }, ...giveUp(workUnit, results, now)]
  const { kind, lane, count, unneeded } = wanted(workUnit, results)
  const kept = results.filter(result => !unneeded.includes(result))
  const wakes = kept.flatMap(result => wakeOf(workUnit, result))
  return [
    ...unneeded.map(result => ({ type: 'drop_result', resultId: result.id }) as const),
    ...(count === 0
      ? []
      : [{ type: 'create_results', kind, lane, count, attempt: attemptOf(results) } as const]),
    wakeAt(count === 0 ? wakes : [...wakes, addMs(now, workUnit.giveUpMs)]),
  ]
}

const attemptOf = (results: readonly Result[]): number =>
  results.filter(result => result.state === 'over' && result.outcome === 'no_reply').length

interface Closed {
  readonly hasAnswer: boolean // a canonical result
  readonly isPublished: boolean
  /** The verifier's word on the answer is wanted, and may still come. */
  readonly wantsCheck: boolean
  /** Its check waited for long enough: until a verifier takes it the answer stands as it is. */
  readonly isPatient: boolean
  readonly giveUpMs: number
}

function closedOf(workUnit: WorkUnit, results: readonly Result[], now: Instant): Closed {
  const hasAnswer = workUnit.state === 'valid'
  const isPublished = workUnit.state !== 'open' && workUnit.publishedAt !== null
  const isChecked = results.some(result => isSuccess(result) && isTrusted(result))
  const live = results.filter(isLiveCheck)
  const mayCome = live.length > 0 || results.length < workUnit.maxTotalResults
  const wantsCheck = hasAnswer && needsVerifier(workUnit) && !isChecked && mayCome
  const starved = (result: Result): boolean =>
    result.state === 'unsent' && addMs(result.createdAt, workUnit.giveUpMs) <= now
  const isPatient = wantsCheck && live.length > 0 && live.every(starved)
  return { hasAnswer, isPublished, wantsCheck, isPatient, giveUpMs: workUnit.giveUpMs }
}

function decideClosed(closed: Closed, results: readonly Result[], now: Instant): Effect[] {
  const { hasAnswer, isPublished, wantsCheck, isPatient, giveUpMs } = closed
  const kept = results.filter(result => wantsCheck && isLiveCheck(result))
  const drops = results.flatMap(result =>
    result.state === 'unsent' && !kept.includes(result)
      ? [{ type: 'drop_result', resultId: result.id } as const]
      : [],
  )
  // A check that nobody takes is kept for the day a verifier comes back, but holds nothing up any longer.
  const checked = kept.flatMap(result =>
    result.state === 'unsent' && !isPatient ? [addMs(result.createdAt, giveUpMs)] : [],
  )
  const isHeldUp = wantsCheck && !isPatient
  const awaited = [...results.flatMap(result => closedWakeOf(result, now)), ...checked]
  const pending = results.filter(isPending)
  // Against a canonical result a late one is judged at once, unless it waits for the verifier; without a canonical one,
  // together with whatever may still come.
  if (
    pending.some(result => isTrusted(result) || isRefuted(result)) ||
    (pending.length > 0 && !isHeldUp && (hasAnswer || awaited.length === 0))
  )
    return [...drops, ...awaitAnswer('request_validation', now)]
  if (wantsCheck && kept.length === 0) {
    const check = { type: 'create_results', kind: 'check', lane: 'verifier', count: 1 } as const
    return [...drops, { ...check, attempt: attemptOf(results) }, wakeAt([...awaited, addMs(now, giveUpMs)])]
  }
  if (awaited.length > 0 || isPublished || isHeldUp) return [...drops, wakeAt(awaited)]
  return [...drops, ...awaitAnswer('publish', now)]
}

// A trusted success is an answer by itself, but of a canary somebody else's is wanted as well. Strangers' agreement is not
// asked for while a trusted host computes: its answer would come too late to stop a wrong one.
function canBeJudged(workUnit: WorkUnit, results: readonly Result[]): boolean {
  const pending = results.filter(isPending)
  if (pending.some(isRefuted)) return true
  if (pending.some(isTrusted))
    return !workUnit.canary || workUnit.disputed || pending.some(result => !isTrusted(result))
  const trustedComputes = results.some(result => result.state === 'in_progress' && result.trusted)
  if (trustedComputes || awaitsVerifier(workUnit, results) || pending.length === 0) return false
  return pending.length >= votesNeeded(workUnit, holdersOf(pending))
}

// Fails only when the results that exist and those that may still be created cannot reach the quorum: a rule that
// clamps new results to the maximum and fails at the maximum would create results only to discard them.
function whyHopeless(
  workUnit: WorkUnit,
  results: readonly Result[],
  now: Instant,
): FailureReason | undefined {
  if (results.filter(isError).length > workUnit.maxErrorResults) return 'too_many_errors'
  const { target, needed, missing, room, roomInTotal, unneeded } = wanted(workUnit, results)
  const starved = results.some(
    result =>
      result.state === 'unsent' &&
      !unneeded.includes(result) &&
      addMs(result.createdAt, workUnit.giveUpMs) <= now,
  )
  if (starved) return 'no_eligible_host'
  const alive = target - missing
  if (alive + roomInTotal < needed) return 'too_many_results'
  return alive + room < needed ? 'too_many_successes' : undefined
}

/**
 * Overtaken hosts of a unit that has its answer. Each may go on for as long as a run takes, from when it was overtaken: the answer is
 * published after that, and not at a deadline that may be hours away.
 */
function letGo(workUnit: WorkUnit, results: readonly Result[], now: Instant): Ended {
  const { hurriedAt = null } = workUnit
  return endLeases(results, result => {
    if (workUnit.state !== 'valid' || hurriedAt === null || !isOvertaken(workUnit, result)) return null
    const ranMs = hurriedAt - addMs(result.deadline, -deadlineFor(workUnit, result.attempt))
    return instant(Math.max(now, Math.min(result.graceUntil, addMs(hurriedAt, Math.round(ranMs / OVERDUE)))))
  })
}

const UNANSWERED = { hasAnswer: false, isPublished: false, wantsCheck: false, isPatient: false } as const

function giveUp(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  const graceEnd = addMs(now, workUnit.graceMs)
  const { ends, remaining } = endLeases(results, ({ graceUntil }) => instant(Math.min(graceUntil, graceEnd)))
  return [...ends, ...decideClosed({ ...UNANSWERED, giveUpMs: workUnit.giveUpMs }, remaining, now)]
}

type Lease = Extract<Result, { state: 'in_progress' }>

interface Ended {
  readonly ends: readonly Effect[]
  readonly remaining: readonly Result[]
}

/** Ends the leases for which `graceOf` says until when a report of them still counts; null: the lease goes on. */
function endLeases(results: readonly Result[], graceOf: (lease: Lease) => Instant | null): Ended {
  const ends: Effect[] = []
  const remaining = results.map(result => {
    const graceUntil = result.state === 'in_progress' ? graceOf(result) : null
    if (graceUntil === null) return result
    ends.push({ type: 'cancel_result', resultId: result.id, graceUntil })
    return { ...result, state: 'over', outcome: 'cancelled', graceUntil } as const
  })
  return { ends, remaining }
}

/** When an open unit must look at this result again. */
function wakeOf(workUnit: WorkUnit, result: Result): Instant[] {
  switch (result.state) {
    case 'unsent':
      return [addMs(result.createdAt, workUnit.giveUpMs)]
    case 'in_progress':
      return [result.deadline]
    case 'over':
      return []
    default:
      return unreachable(result)
  }
}

/** Until when a closed unit waits for this result: its deadline, then the end of its grace. */
function closedWakeOf(result: Result, now: Instant): Instant[] {
  if (result.state === 'in_progress') return [result.deadline]
  const graceUntil = 'graceUntil' in result ? result.graceUntil : null
  return graceUntil !== null && graceUntil >= now ? [addMs(graceUntil, 1)] : [] // its last moment still counts
}

const awaitAnswer = (type: 'request_validation' | 'publish', now: Instant): Effect[] => [
  { type },
  { type: 'wake', at: addMs(now, ANSWER_MS_MAX) },
]

const wakeAt = (moments: readonly Instant[]): Effect => ({
  type: 'wake',
  at: moments.length === 0 ? null : instant(Math.min(...moments)),
})
