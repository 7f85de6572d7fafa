import { addMs, type HostId, type Instant, instant, type ResultId } from '#protocol/units.ts'
import { unreachable } from './invariant.ts'
import type { FailureReason, Result, ResultKind, WorkUnit } from './types.ts'

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
 * An open unit wants `targetResults` replicas that succeeded or may still; it is judged when `minQuorum` have succeeded,
 * or at once when a trusted one has. Once disputed, only a trusted result settles it, so it wants exactly one check. A
 * closed unit waits for what is still in progress or in its grace, has late successes judged, and is then published.
 */
export function transition(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  const expired: Effect[] = []
  const current = results.map(result => {
    if (result.state !== 'in_progress' || result.deadline > now) return result
    expired.push({ type: 'expire_result', resultId: result.id, hostId: result.hostId })
    return { ...result, state: 'over', outcome: 'no_reply' } as const
  })
  if (workUnit.state === 'open') return [...expired, ...decideOpen(workUnit, current, now)]
  const closed = { hasAnswer: workUnit.state === 'valid', isPublished: workUnit.publishedAt !== null }
  return [...expired, ...decideClosed(closed, current, now)]
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
  if (failure !== undefined) return [{ type: 'fail', failure }, ...giveUp(workUnit, results, now)]
  const { kind, count, unneeded } = wanted(workUnit, results)
  const attempt = results.filter(result => result.state === 'over' && result.outcome === 'no_reply').length
  const kept = results.filter(result => !unneeded.includes(result))
  const wakes = kept.flatMap(result => wakeOf(workUnit, result))
  return [
    ...unneeded.map(result => ({ type: 'drop_result', resultId: result.id }) as const),
    ...(count === 0 ? [] : [{ type: 'create_results', kind, count, attempt } as const]),
    wakeAt(count === 0 ? wakes : [...wakes, addMs(now, workUnit.giveUpMs)]),
  ]
}

interface Closed {
  readonly hasAnswer: boolean // a canonical result
  readonly isPublished: boolean
}

function decideClosed(closed: Closed, results: readonly Result[], now: Instant): Effect[] {
  const drops = results.flatMap(result =>
    result.state === 'unsent' ? [{ type: 'drop_result', resultId: result.id } as const] : [],
  )
  const awaited = results.flatMap(result => closedWakeOf(result, now))
  // Against a canonical result a late one is judged at once; without one, together with whatever may still come.
  if (results.some(isPending) && (closed.hasAnswer || awaited.length === 0))
    return [...drops, ...awaitAnswer('request_validation', now)]
  if (awaited.length > 0 || closed.isPublished) return [...drops, wakeAt(awaited)]
  return [...drops, ...awaitAnswer('publish', now)]
}

const isPending = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'success' && result.verdict === 'pending'
const isLive = (result: Result): boolean => result.state === 'unsent' || result.state === 'in_progress'
const isSuccess = (result: Result): boolean => result.state === 'over' && result.outcome === 'success'
const isError = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'error' && !result.givenBack
const isTrusted = (result: Result): boolean => 'trusted' in result && result.trusted

// A trusted success is an answer by itself. Strangers' agreement is not asked for while a trusted host computes: its
// answer would come too late to stop a wrong one.
function canBeJudged(workUnit: WorkUnit, results: readonly Result[]): boolean {
  const pending = results.filter(isPending)
  if (pending.some(isTrusted)) return true
  const trustedComputes = results.some(result => result.state === 'in_progress' && result.trusted)
  return !workUnit.disputed && !trustedComputes && pending.length >= workUnit.minQuorum
}

// Fails only when the results that exist and those that may still be created cannot reach the quorum: a rule that
// clamps new results to the maximum and fails at the maximum would create results only to discard them.
function whyHopeless(
  workUnit: WorkUnit,
  results: readonly Result[],
  now: Instant,
): FailureReason | undefined {
  if (results.filter(isError).length > workUnit.maxErrorResults) return 'too_many_errors'
  const { kind, missing, room, roomInTotal, unneeded } = wanted(workUnit, results)
  const starved = results.some(
    result =>
      result.state === 'unsent' &&
      !unneeded.includes(result) &&
      addMs(result.createdAt, workUnit.giveUpMs) <= now,
  )
  if (starved) return 'no_eligible_host'
  const [target, needed] = kind === 'check' ? [1, 1] : [workUnit.targetResults, workUnit.minQuorum]
  const alive = target - missing
  if (alive + roomInTotal < needed) return 'too_many_results'
  return alive + room < needed ? 'too_many_successes' : undefined
}

interface Wanted {
  readonly kind: ResultKind
  /** Results short of the target, which is one check or `targetResults` replicas. */
  readonly missing: number
  /** How many more may be created: by the limit on all results, and by that on successes as well. */
  readonly roomInTotal: number
  readonly room: number
  /** How many to create: the missing ones, as far as there is room. */
  readonly count: number
  /** Unsent results that cannot help any more. */
  readonly unneeded: readonly Result[]
}

function wanted(workUnit: WorkUnit, results: readonly Result[]): Wanted {
  const live = results.filter(isLive)
  const roomInTotal = Math.max(0, workUnit.maxTotalResults - results.length)
  if (workUnit.disputed) {
    const settling = live.filter(result => result.kind === 'check' || isTrusted(result))
    const missing = settling.length === 0 ? 1 : 0
    const unneeded = live.filter(result => result.state === 'unsent' && result.kind === 'replica')
    const count = Math.min(missing, roomInTotal)
    return { kind: 'check', missing, roomInTotal, room: roomInTotal, count, unneeded }
  }
  const succeeded = results.filter(isSuccess).length
  const room = Math.min(roomInTotal, Math.max(0, workUnit.maxSuccessResults - succeeded - live.length))
  const missing = Math.max(0, workUnit.targetResults - results.filter(isPending).length - live.length)
  return { kind: 'replica', missing, roomInTotal, room, count: Math.min(missing, room), unneeded: [] }
}

function giveUp(workUnit: WorkUnit, results: readonly Result[], now: Instant): Effect[] {
  const graceEnd = addMs(now, workUnit.graceMs)
  const ends: Effect[] = []
  const remaining = results.map(result => {
    if (result.state !== 'in_progress') return result
    const graceUntil = instant(Math.min(result.graceUntil, graceEnd))
    ends.push({ type: 'cancel_result', resultId: result.id, graceUntil })
    return { ...result, state: 'over', outcome: 'cancelled', graceUntil } as const
  })
  return [...ends, ...decideClosed({ hasAnswer: false, isPublished: false }, remaining, now)]
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
