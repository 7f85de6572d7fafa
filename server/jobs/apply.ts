import { invariant } from '#domain/invariant.ts'
import type { HostNote } from '#domain/notes.ts'
import type { Effect } from '#domain/transition.ts'
import { loseLease } from '#domain/trust.ts'
import type { WorkUnit } from '#domain/types.ts'
import type { Instant, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { addHostEvents } from '#store/hosts.ts'
import { cancelResults, dropResults, expireResults, insertResults } from '#store/results.ts'
import { lockStandings, saveStandings } from '#store/standing.ts'
import { type Awaited, setWakes } from '#store/wakes.ts'
import { giveUpWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

export interface Decision {
  readonly workUnit: WorkUnit
  readonly effects: readonly Effect[]
}

/** Applies decisions on locked work units, one statement per kind of effect. */
export async function applyDecisions(
  trx: Trx,
  deps: Pick<JobDeps, 'ids' | 'enqueue'>,
  decisions: readonly Decision[],
  now: Instant,
): Promise<void> {
  await closeUnits(trx, decisions, now)
  const cancelled = effectsOf(decisions, 'cancel_result').map(({ effect: { resultId, graceUntil } }) => ({
    id: resultId,
    graceUntil,
  }))
  await all(cancelled, rows => cancelResults(trx, rows))
  const dropped = effectsOf(decisions, 'drop_result').map(({ effect }) => effect.resultId)
  await all(dropped, ids => dropResults(trx, ids))
  const created = effectsOf(decisions, 'create_results').flatMap(({ workUnitId, effect }) =>
    Array.from({ length: effect.count }, () => ({
      ...{ id: deps.ids.result(now), workUnitId, kind: effect.kind },
      ...{ lane: effect.lane, attempt: effect.attempt },
    })),
  )
  await all(created, rows => insertResults(trx, rows, now))
  const toRank = decisions.flatMap(({ workUnit, effects }) =>
    workUnit.check === 'verifier' && effects.some(e => e.type === 'create_results' && e.kind === 'check')
      ? [workUnit.campaignId]
      : [],
  )
  await deps.enqueue(trx, 'propose', [...new Set(toRank)])
  await expire(trx, decisions, now)
  const awaits = new Map<WorkUnitId, Awaited>([
    ...unitsWith(decisions, 'request_validation').map(id => [id, 'validate'] as const),
    ...unitsWith(decisions, 'publish').map(id => [id, 'assimilate'] as const),
  ])
  await setWakes(
    trx,
    effectsOf(decisions, 'wake').map(({ workUnitId: id, effect: { at } }) => ({
      ...{ id, at, awaits: awaits.get(id) ?? null },
    })),
  )
}

async function closeUnits(trx: Trx, decisions: readonly Decision[], now: Instant): Promise<void> {
  const failed = effectsOf(decisions, 'fail').map(({ workUnitId, effect }) => ({
    id: workUnitId,
    failure: effect.failure,
  }))
  const cancelled = unitsWith(decisions, 'cancel').map(id => ({ id, failure: null }))
  await all([...failed, ...cancelled], rows => giveUpWorkUnits(trx, rows, now))
}

async function expire(trx: Trx, decisions: readonly Decision[], now: Instant): Promise<void> {
  const lost = effectsOf(decisions, 'expire_result')
  await all(
    lost.map(({ effect }) => effect.resultId),
    ids => expireResults(trx, ids),
  )
  const standings = new Map(
    await lockStandings(
      trx,
      lost.map(({ effect }) => effect.hostId),
    ),
  )
  const notes: HostNote[] = []
  for (const { workUnitId, effect } of lost) {
    const standing = standings.get(effect.hostId)
    if (standing !== undefined) standings.set(effect.hostId, loseLease(standing))
    const detail = `result ${effect.resultId} of work unit ${workUnitId}: its deadline passed`
    notes.push({ hostId: effect.hostId, event: 'no_reply', detail })
  }
  await saveStandings(trx, [...standings.values()])
  await addHostEvents(trx, notes, now)
}

type EffectOf<Type extends Effect['type']> = Extract<Effect, { type: Type }>

function effectsOf<Type extends Effect['type']>(
  decisions: readonly Decision[],
  type: Type,
): { workUnitId: WorkUnitId; effect: EffectOf<Type> }[] {
  const isOfType = (effect: Effect): effect is EffectOf<Type> => effect.type === type
  return decisions.flatMap(({ workUnit, effects }) =>
    effects.filter(isOfType).map(effect => ({ workUnitId: workUnit.id, effect })),
  )
}

const unitsWith = (decisions: readonly Decision[], type: Effect['type']): WorkUnitId[] =>
  effectsOf(decisions, type).map(({ workUnitId }) => workUnitId)

/** Runs a statement unless there is nothing to do, and insists that it changed every row it was given. */
async function all<Row>(
  rows: readonly Row[],
  statement: (rows: readonly Row[]) => Promise<number>,
): Promise<void> {
  if (rows.length === 0) return
  const changed = await statement(rows)
  invariant(changed === rows.length, `what is locked is as it was read: ${changed} of ${rows.length} changed`)
}
