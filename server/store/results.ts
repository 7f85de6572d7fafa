import { z } from 'zod'
import type { Lane, Result, ResultKind, ResultState } from '#domain/types.ts'
import { HostId, type Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, recordset, select, Timestamp, toDb } from './rows.ts'

/**
 * All results of work units that are locked, ids ascending. Their rows need no lock: what is read here nobody changes who does not
 * hold the unit.
 */
export async function readResultsOf(
  trx: Trx,
  workUnitIds: readonly WorkUnitId[],
): Promise<ReadonlyMap<WorkUnitId, Result[]>> {
  const results = new Map<WorkUnitId, Result[]>(workUnitIds.map(id => [id, []]))
  if (workUnitIds.length === 0) return results
  for (const row of await select(trx, ResultRow, READ, { workUnitIds })) {
    results.get(row.workUnitId)?.push(asResult(row))
  }
  return results
}

/** Leases past their deadline are over without a reply; returns how many. */
export const expireResults = (trx: Trx, ids: readonly ResultId[]): Promise<number> =>
  execute(trx, EXPIRE, { ids })

/** Unsent results are over, not needed; returns how many. */
export const dropResults = (trx: Trx, ids: readonly ResultId[]): Promise<number> =>
  execute(trx, DROP, { ids })

/** Leases end because nobody waits for them; a report counts until `graceUntil`. Returns how many. */
export function cancelResults(
  trx: Trx,
  cancelled: readonly { readonly id: ResultId; readonly graceUntil: Instant }[],
): Promise<number> {
  return execute(trx, CANCEL, {
    ids: column(cancelled, result => result.id),
    graces: column(cancelled, result => toDb(result.graceUntil)),
  })
}

export interface NewResult {
  readonly id: ResultId
  readonly workUnitId: WorkUnitId
  readonly kind: ResultKind
  readonly lane: Lane
  readonly attempt: number
}

export const insertResults = (trx: Trx, results: readonly NewResult[], now: Instant): Promise<number> =>
  execute(trx, INSERT, { rows: recordset(results), now: toDb(now) })

/** A sub-select: all results of a host. One index has what it holds, another what is over: a lease would be written to both. */
export const resultsOf = (hostId: string): string => `(
  select * from results where host_id = ${hostId} and state = 'over'
  union all select * from results where host_id = ${hostId} and state = 'in_progress')`

const UnitIdRow = z.object({ id: WorkUnitId })

/** Work units of which one of these hosts holds a lease. */
export async function unitsLeasedTo(trx: Trx, hostIds: readonly HostId[]): Promise<WorkUnitId[]> {
  return (await select(trx, UnitIdRow, UNITS_LEASED_TO, { hostIds })).map(row => row.id)
}

/** Takes the leases of these hosts on locked work units away, without grace; returns how many. */
export const revokeLeases = (
  trx: Trx,
  revoked: { hostIds: readonly HostId[]; workUnitIds: readonly WorkUnitId[] },
  now: Instant,
): Promise<number> => execute(trx, REVOKE, { ...revoked, now: toDb(now) })

const ResultRow = z.object({
  id: ResultId,
  workUnitId: WorkUnitId,
  kind: z.enum(['replica', 'check']),
  lane: z.enum(['anyone', 'proven', 'unproven', 'verifier']),
  attempt: z.int(),
  createdAt: Timestamp,
  state: z.enum(['unsent', 'in_progress', 'over']),
  outcome: z.enum(['success', 'error', 'no_reply', 'not_needed', 'cancelled']).nullable(),
  verdict: z.enum(['pending', 'valid', 'invalid', 'inconclusive']).nullable(),
  givenBack: z.boolean(),
  hostId: HostId.nullable(),
  trusted: z.boolean(),
  proven: z.boolean(),
  weights: z.enum(['awaited', 'equal', 'different', 'missing']).nullable(),
  draw: z.enum(['none', 'replica', 'verifier']),
  deadline: Timestamp.nullable(),
  graceUntil: Timestamp.nullable(),
})
type ResultRow = z.infer<typeof ResultRow>

const asResult = (row: ResultRow): Result => {
  const { id, kind, lane, attempt, createdAt } = row
  return { id, kind, lane, attempt, createdAt, ...stateOf(row) }
}

function stateOf(row: ResultRow): ResultState {
  const { state, outcome, verdict, givenBack, hostId, trusted, proven, draw } = row
  const { deadline, graceUntil } = row
  if (state === 'unsent') return { state }
  if (outcome === 'not_needed') return { state: 'over', outcome }
  if (outcome === 'cancelled') return { state: 'over', outcome, graceUntil }
  if (hostId !== null) {
    const holder = { hostId, trusted, proven }
    if (outcome === 'error') return { state: 'over', outcome, givenBack, ...holder }
    if (outcome === 'success' && verdict !== null)
      return { state: 'over', outcome, verdict, draw, ...proofOf(row), ...holder }
    if (graceUntil !== null && outcome === 'no_reply')
      return { state: 'over', outcome, graceUntil, ...holder }
    if (graceUntil !== null && deadline !== null && state === 'in_progress')
      return { state, deadline, graceUntil, ...holder }
  }
  throw new Error(`result ${row.id} is ${outcome ?? state} without what belongs to it`) // the CHECKs forbid it
}

function proofOf({ weights }: ResultRow): { readonly proof?: 'awaited' | 'refuted' } {
  if (weights === null || weights === 'equal') return {}
  return { proof: weights === 'awaited' ? 'awaited' : 'refuted' }
}

const READ = `
  select id, work_unit_id as "workUnitId", kind, lane, attempt, created_at as "createdAt", state, outcome, verdict,
    error_code is not distinct from 'host_stopped' as "givenBack", host_id as "hostId", trusted, proven,
    weights, draw, deadline, grace_until as "graceUntil"
  from results where work_unit_id = any(:workUnitIds) order by id`

const EXPIRE = `
  update results set state = 'over', outcome = 'no_reply' where id = any(:ids) and state = 'in_progress'`

const DROP = `
  update results set state = 'over', outcome = 'not_needed' where id = any(:ids) and state = 'unsent'`

const CANCEL = `
  update results r set state = 'over', outcome = 'cancelled', grace_until = x.grace_until
  from unnest(:ids::text[], :graces::timestamptz[]) as x (id, grace_until)
  where r.id = x.id and r.state = 'in_progress'`

// The verifier's cores are few: what many wait for comes first, a canary, then a dispute, then what looks like a record. That
// is held back, below its unit's own priority, until its campaign has it checked (jobs/release.ts).
const INSERT = `
  insert into results (id, work_unit_id, kind, lane, attempt, priority, created_at)
  select x.id, w.id, x.kind, x.lane, x.attempt, w.priority + case
    when x.kind <> 'check' then 0 when w.canary then 3 when w.disputed then 2 when w.demand is distinct from 'record'
    then 0 when exists (select from results c where c.work_unit_id = w.id and c.kind = 'check'
      and c.outcome is distinct from 'not_needed') then 1 else -1 end, :now
  from json_to_recordset(cast(:rows as json)) as x(id text, "workUnitId" text, kind result_kind, lane lane,
    attempt int)
  join work_units w on w.id = x."workUnitId"`

const UNITS_LEASED_TO = `
  select distinct work_unit_id as id from results where host_id = any(:hostIds) and state = 'in_progress'`

const REVOKE = `
  update results set state = 'over', outcome = 'cancelled', grace_until = :now
  where host_id = any(:hostIds) and work_unit_id = any(:workUnitIds) and state = 'in_progress'`
