import { judge } from '#domain/judge.ts'
import { deadlineFor, type Effect, transition } from '#domain/transition.ts'
import type { Draw, Result, WorkUnit, WorkUnitState } from '#domain/types.ts'
import { addMs, type Instant, type ResultId } from '#protocol/units.ts'
import { hostId, resultId } from './work-units.ts'

/** A work unit outside the database: what the transitioner sees, and what each success said. */
export interface Life {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
  readonly answers: ReadonlyMap<ResultId, string>
}

/** The life after the effects of one decision; requests are answered only by `answered`. */
export function applied(life: Life, effects: readonly Effect[], now: Instant): Life {
  return effects.reduce((before, effect) => appliedOne(before, effect, now), life)
}

function appliedOne(life: Life, effect: Effect, now: Instant): Life {
  switch (effect.type) {
    case 'expire_result':
      return changed(life, effect.resultId, r => ({ ...r, state: 'over', outcome: 'no_reply' }) as Result)
    case 'cancel_result': {
      const { graceUntil } = effect
      return changed(
        life,
        effect.resultId,
        r => ({ ...r, state: 'over', outcome: 'cancelled', graceUntil }) as Result,
      )
    }
    case 'drop_result':
      return changed(life, effect.resultId, r => ({ ...r, state: 'over', outcome: 'not_needed' }) as Result)
    case 'create_results':
      return { ...life, results: [...life.results, ...created(life.results.length, effect, now)] }
    case 'fail':
      return closed(life, { state: 'failed', failure: effect.failure, publishedAt: null })
    case 'cancel':
      return closed(life, { state: 'cancelled', publishedAt: null })
    default:
      return life
  }
}

function created(
  existing: number,
  { count, kind, lane, attempt }: Extract<Effect, { type: 'create_results' }>,
  now: Instant,
): Result[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ id: resultId(existing + 1 + i), kind, lane, attempt, createdAt: now },
    state: 'unsent' as const,
  }))
}

const changed = (life: Life, id: ResultId, change: (result: Result) => Result): Life => ({
  ...life,
  results: life.results.map(result => (result.id === id ? change(result) : result)),
})

const closed = (life: Life, state: WorkUnitState): Life => ({
  ...life,
  workUnit: { ...life.workUnit, ...state } as WorkUnit,
})

/** What the validator and the assimilator make of the requests among the effects. */
function answered(life: Life, effects: readonly Effect[], now: Instant): Life {
  let after = life
  for (const { type } of effects) {
    if (type === 'request_validation') after = validated(after)
    if (type === 'publish')
      after = closed(after, { ...stateOf(after.workUnit), publishedAt: now } as WorkUnitState)
  }
  return after
}

const stateOf = (workUnit: WorkUnit): WorkUnit => workUnit

function validated(life: Life): Life {
  const { workUnit, results, answers } = life
  const successes = results.flatMap(r =>
    r.state === 'over' && r.outcome === 'success' ? [{ ...r, excluded: false }] : [],
  )
  const canonicalId = workUnit.state === 'valid' ? workUnit.canonicalId : null
  const canonical = successes.find(({ id }) => id === canonicalId)
  const isVerified = successes.some(({ trusted, verdict }) => trusted && verdict === 'valid')
  const { verdicts, ...judgement } = judge(
    { ...workUnit, canonical: canonical === undefined ? null : { ...canonical, trusted: isVerified } },
    {
      pending: successes.filter(({ verdict }) => verdict === 'pending'),
      judged: successes.filter(({ verdict }) => verdict === 'valid' || verdict === 'inconclusive'),
      same: (a, b) => answers.get(a) === answers.get(b),
      isRecord: id => answers.get(id) === 'record',
    },
  )
  const after = { ...life, results: results.map(r => ({ ...r, ...verdictOf(verdicts.get(r.id)) }) as Result) }
  if (judgement.demand !== null) {
    const disputed = workUnit.disputed || judgement.demand === 'disagreement'
    return { ...after, workUnit: { ...workUnit, disputed, check: 'verifier' } }
  }
  if (judgement.canonicalId === null) return after
  return closed(after, { state: 'valid', canonicalId: judgement.canonicalId, publishedAt: null })
}

const verdictOf = (verdict: string | undefined) => (verdict === undefined ? {} : { verdict })

/** What a host does with a result, as the scheduler would take it. */
export type Deed =
  | { readonly type: 'lease'; readonly trusted: boolean; readonly proven: boolean }
  | { readonly type: 'report'; readonly answer: string; readonly draw: Draw }
  | { readonly type: 'error' }

/** The life after `deed` was done to the result that `pick` (in [0, 1)) points at; the same if nobody may do it. */
export function done(life: Life, deed: Deed, pick: number, now: Instant): Life {
  const able = life.results.filter(result => may(result, deed, now))
  const result = able[Math.floor(pick * able.length)]
  if (result === undefined) return life
  const holder = {
    hostId: hostId(Number(result.id.slice(2))),
    trusted: 'trusted' in result && result.trusted,
    proven: 'proven' in result && result.proven,
  }
  switch (deed.type) {
    case 'lease': {
      const deadline = addMs(now, deadlineFor(life.workUnit, result.attempt))
      const graceUntil = addMs(deadline, life.workUnit.graceMs)
      const lease = {
        state: 'in_progress',
        deadline,
        graceUntil,
        ...holder,
        trusted: deed.trusted,
        proven: deed.proven,
      }
      return changed(life, result.id, r => ({ ...r, ...lease }) as Result)
    }
    case 'report': {
      const answers = new Map(life.answers).set(result.id, deed.answer)
      const { graceUntil: _, ...rest } = { graceUntil: null, ...result }
      const success = { state: 'over', outcome: 'success', verdict: 'pending', draw: deed.draw, ...holder }
      return { ...changed(life, result.id, () => ({ ...rest, ...success }) as Result), answers }
    }
    case 'error':
      return changed(
        life,
        result.id,
        r => ({ ...r, state: 'over', outcome: 'error', givenBack: false, ...holder }) as Result,
      )
  }
}

function may(result: Result, deed: Deed, now: Instant): boolean {
  if (deed.type === 'lease') return result.state === 'unsent' && (result.kind === 'replica' || deed.trusted)
  if (result.state === 'in_progress') return true
  if (deed.type === 'error' || !('graceUntil' in result) || result.graceUntil === null) return false
  return result.graceUntil >= now
}

/** Decides and answers until nothing remains but a wake-up; returns the life and the moment of that wake-up. */
export function settled(life: Life, now: Instant): { life: Life; wakeAt: Instant | null } {
  let current = life
  for (let round = 0; round < 10; round++) {
    const effects = transition(current.workUnit, current.results, now)
    const [only] = effects
    if (effects.length === 1 && only?.type === 'wake') return { life: current, wakeAt: only.at }
    current = answered(applied(current, effects, now), effects, now)
  }
  throw new Error(`still deciding after ten rounds: ${JSON.stringify(current.workUnit)}`)
}
