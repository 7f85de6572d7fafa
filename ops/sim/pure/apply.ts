import { unreachable } from '#domain/invariant.ts'
import type { Effect } from '#domain/transition.ts'
import { loseLease } from '#domain/trust.ts'
import type { Result } from '#domain/types.ts'
import { type Instant, instant, type ResultId } from '#protocol/units.ts'
import { addResult, type ResultRow, type State, setResult, setWake, type UnitRow } from './state.ts'

/** Applies what the transitioner decided about a unit. */
export function applyEffects(state: State, unit: UnitRow, effects: readonly Effect[], now: Instant): void {
  for (const effect of effects) applyEffect(state, unit, effect, now)
}

function applyEffect(state: State, unit: UnitRow, effect: Effect, now: Instant): void {
  switch (effect.type) {
    case 'expire_result': {
      const row = rowOf(unit, effect.resultId)
      change(state, row, { state: 'over', outcome: 'no_reply' })
      if (row.host !== null) row.host.standing = loseLease(row.host.standing)
      return
    }
    case 'cancel_result':
      change(state, rowOf(unit, effect.resultId), {
        ...{ state: 'over', outcome: 'cancelled', graceUntil: effect.graceUntil },
      })
      return
    case 'drop_result':
      change(state, rowOf(unit, effect.resultId), { state: 'over', outcome: 'not_needed' })
      return
    case 'create_results': {
      const { kind, lane, attempt } = effect
      for (let i = 0; i < effect.count; i++) {
        const id = state.ids.result(now)
        addResult(state, unit, { id, kind, lane, attempt, createdAt: now, state: 'unsent' })
      }
      if (kind === 'check' && unit.workUnit.check === 'verifier') state.jobs.propose.add(unit.campaign)
      return
    }
    case 'fail':
      unit.workUnit = { ...unit.workUnit, state: 'failed', failure: effect.failure, publishedAt: null }
      return
    case 'cancel':
      unit.workUnit = { ...unit.workUnit, state: 'cancelled', publishedAt: null }
      return
    case 'request_validation':
      state.jobs.validate.add(unit)
      return
    case 'publish':
      state.jobs.assimilate.add(unit)
      return
    case 'wake':
      setWake(state, unit, effect.at)
      return
    default:
      unreachable(effect)
  }
}

export function rowOf(unit: UnitRow, id: ResultId): ResultRow {
  const row = unit.results.find(({ result }) => result.id === id)
  if (row === undefined) throw new Error(`result ${id} is of another unit`)
  return row
}

type Ending =
  | { readonly state: 'over'; readonly outcome: 'no_reply' | 'not_needed' }
  | { readonly state: 'over'; readonly outcome: 'cancelled'; readonly graceUntil: Instant }

function change(state: State, row: ResultRow, ending: Ending): void {
  setResult(state, row, endedAs(row.result, ending))
}

function endedAs(result: Result, ending: Ending): Result {
  const { id, kind, lane, attempt, createdAt } = result
  const common = { id, kind, lane, attempt, createdAt }
  if (ending.outcome === 'not_needed') return { ...common, state: 'over', outcome: 'not_needed' }
  if (ending.outcome === 'cancelled')
    return { ...common, state: 'over', outcome: 'cancelled', graceUntil: ending.graceUntil }
  if (result.state !== 'in_progress') throw new Error('only a lease expires')
  const { hostId, trusted, proven, graceUntil } = result
  return { ...common, state: 'over', outcome: 'no_reply', graceUntil, hostId, trusted, proven }
}

/** Takes a host's leases away, without grace. */
export function freeLeases(state: State, rows: readonly ResultRow[], now: Instant): void {
  for (const row of rows) {
    change(state, row, { state: 'over', outcome: 'cancelled', graceUntil: instant(now) })
    state.jobs.transition.add(row.unit)
  }
}
