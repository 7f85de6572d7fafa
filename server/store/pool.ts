import { z } from 'zod'
import type { Patience } from '#domain/dispatch.ts'
import { EngineClass } from '#protocol/engine.ts'
import { HostId, ResultId, Sha256, UserId, WorkUnitId } from '#protocol/units.ts'
import { inIndexOrder } from './database.ts'
import { type Executor, select, Timestamp, toDb } from './rows.ts'

const Lane = z.enum(['proven', 'unproven', 'anyone', 'verifier'])

const PoolRow = z.object({
  /** `kept`: among the first of its lane; `waiting`: among those that have waited longest in it. */
  shelf: z.enum(['kept', 'waiting']),
  lane: Lane,
  /** How many rows of its lane were looked up in its shelf. */
  limit: z.int(),
  createdAt: Timestamp,
  resultId: ResultId,
  workUnitId: WorkUnitId,
  priority: z.int(),
  /** A check that a trusted host may have now, or a replica at which no trusted host is. */
  forTrusted: z.boolean(),
  attempt: z.int(),
  deadlineMs: z.int(),
  graceMs: z.int(),
  fuelMax: z.int(),
  engineClass: EngineClass,
  /** Of a unit that is of several classes still; null: it is of its class. */
  choices: z.array(z.object({ engineClass: EngineClass, fuelMax: z.int() })).nullable(),
  policy: z.enum(['adaptive', 'fixed']),
  datasetSha256: Sha256,
  memoryPages: z.int(),
  /** Of the campaign. */
  ownerId: UserId,
  /** Owners and networks (partiesOf of the domain) that computed it, or hold it. */
  parties: z.array(z.string()),
  /** Hosts that computed the same run to an earlier rung, while nobody is at this one. */
  begunBy: z.array(HostId),
})
/** An unsent result and all that decides who may take it. */
export type PoolRow = z.infer<typeof PoolRow>

/** What a group of hosts may be given, taken together. */
export interface PoolTerms {
  readonly kept: readonly PoolRow['lane'][]
  readonly waiting: readonly PoolRow['lane'][]
  readonly engineClasses: readonly EngineClass[]
  readonly memoryPages: number // of the largest
  /** How many results the hosts of a lane may be given: what is for anyone is looked up where what comes before it is too little. */
  readonly takes: Readonly<Record<Exclude<PoolRow['lane'], 'anyone'>, number>>
  /** Rows beyond those, so that whoever comes last still has a choice. */
  readonly spare: number
  /** What is for anyone is looked up for all of them, whatever comes before it. */
  readonly all: boolean
}

// A fence (offset 0): by the statistics of a table in which nothing was reported yet, the planner would begin with all that was.
export const COMPUTED = `(
  select host_id from results where work_unit_id = e.id and outcome = 'success' and host_id is not null offset 0)`

const UNSENT = `
  select r.created_at as "createdAt", r.id as "resultId", w.id as "workUnitId", r.priority, r.attempt,
    r.kind, r.priority >= w.priority as "isOffered", w.independent, w.run_key, w.experiment_id, w.seed_index, w.rung,
    w.deadline_ms as "deadlineMs", w.grace_ms as "graceMs", w.fuel_max as "fuelMax",
    w.engine_class as "engineClass", w.engines, w.policy, p.dataset_sha256 as "datasetSha256",
    cast(k.manifest->>'memoryPagesMax' as bigint) as "memoryPages", p.owner_id as "ownerId"
  from results r
  join work_units w on w.id = r.work_unit_id
  join campaigns p on p.id = w.campaign_id
  join kernels k on k.module_sha256 = w.kernel_sha256
  where r.state = 'unsent' and r.lane = l.lane
    and (r.kind = 'check' or (w.state = 'open' and p.state = 'running' and p.paused_at is null))
    and (w.engine_class = any(cast(:engineClasses as text[])) or w.engines && cast(:engineClasses as text[]))
    and cast(k.manifest->>'memoryPagesMax' as bigint) <= :memoryPages`

// The type of a bare parameter in a sum is anybody's guess.
const number = (binding: keyof PoolTerms['takes'] | 'spare'): string => `cast(:${binding} as bigint)`

const OWN_LIMIT = `${number('spare')} + case l.lane when 'proven' then ${number('proven')}
  when 'unproven' then ${number('unproven')} else ${number('verifier')} end`
const lacking = (own: 'proven' | 'unproven', other: 'proven' | 'unproven'): string => `
  greatest(0, ${number(own)} - case when :all then 0 else (select count(*) from own where lane = '${own}')
    + (select count(*) from waiting where lane = '${other}' and "createdAt" <= cast(:pairedBefore as timestamptz)) end)`
const ANYONE_LIMIT = `${number('spare')} + ${lacking('proven', 'unproven')} + ${lacking('unproven', 'proven')}`
const WAITING_LIMIT = `${number('spare')} + ${number('proven')} + ${number('unproven')} + ${number('verifier')}`

const kept = (lanes: string, limit: string): string => `
  select 'kept' as shelf, l.lane, ${limit} as "limit", kept.* from unnest(cast(:kept as lane[])) as l(lane) cross join lateral (
    ${UNSENT}
    order by r.priority desc, r.work_unit_id, r.id limit ${limit}
    for no key update of r, w skip locked) as kept
  where l.lane ${lanes}`

// It walks the indexes results_in_lane and results_waiting instead of sorting everything. Rows that another process holds are
// skipped: nobody waits, so that dispatch cannot be part of a deadlock although it comes after the locks of hosts. Work units
// are locked as well so that no other process gives an owner a second result of one.
const SHELVES = `
  with own as materialized (${kept(`<> 'anyone'`, OWN_LIMIT)}),
  waiting as materialized (
    select 'waiting' as shelf, l.lane, ${WAITING_LIMIT} as "limit", waiting.* from unnest(cast(:waiting as lane[])) as l(lane) cross join lateral (
      ${UNSENT}
        and r.created_at <= case l.lane when 'anyone' then cast(:starvedBefore as timestamptz) else cast(:before as timestamptz) end
      order by r.created_at, r.id limit ${WAITING_LIMIT}
      for no key update of r, w skip locked) as waiting)
  select * from own
  union all
  select * from waiting
  union all
  ${kept(`= 'anyone'`, ANYONE_LIMIT)}`

// Whoever was at the unit, in one look; whether a trusted host is at it, and whether anybody is.
const AT_UNIT = `
  select array_remove(array_agg(o.owner_key) filter (where not o.trusted)
      || array_agg('network:' || o.prefix) filter (where not o.trusted), null) as parties,
    coalesce(bool_or(o.trusted and (o.state = 'in_progress' or o.verdict = 'pending')), false) as "hasTrusted",
    coalesce(bool_or(o.state <> 'unsent'), false) as "isBegun"
  from results o where o.work_unit_id = s."workUnitId"`

// Of a study: whoever was at the same run, under whatever campaign.
const PARTIES_OF_RUN = `
  select array_remove(array_agg(o.owner_key) || array_agg('network:' || o.prefix), null)
  from work_units u join results o on o.work_unit_id = u.id where u.run_key = s.run_key and not o.trusted`

const POOL = `
  select s.shelf, s.lane, s."limit", s."createdAt", s."resultId", s."workUnitId", s.priority, s.attempt, s."deadlineMs", s."graceMs",
    s."fuelMax", s."engineClass", s.policy, s."datasetSha256", s."memoryPages", s."ownerId",
    s.kind = 'check' and s."isOffered" or s.kind = 'replica' and not s.independent and not at_unit."hasTrusted" as "forTrusted",
    case when s.engines is not null then (select jsonb_agg(jsonb_build_object('engineClass', u.engine_class,
      'fuelMax', u.fuel_max)) from unit_classes u where u.work_unit_id = s."workUnitId") end as choices,
    coalesce(case when s.independent then (${PARTIES_OF_RUN}) else at_unit.parties end, '{}') as parties,
    case when s.rung = 0 or at_unit."isBegun" then '{}' else array(
      select distinct er.host_id from work_units e cross join lateral ${COMPUTED} as er
      where e.experiment_id = s.experiment_id and e.seed_index = s.seed_index and e.rung < s.rung) end as "begunBy"
  from (${SHELVES}) as s cross join lateral (${AT_UNIT}) as at_unit`

/** Unsent results that hosts of these terms may compute, locked: of each shelf of each lane the first, in its order. */
export async function lockPool(
  on: Executor,
  { kept, waiting, engineClasses, memoryPages, takes, spare, all }: PoolTerms,
  { starvedBefore, pairedBefore }: Patience,
): Promise<PoolRow[]> {
  // What starved is for trusted hosts; where none asks, what others may not have yet is not read for it.
  const isForTrusted = kept.includes('verifier')
  const before = toDb(isForTrusted && starvedBefore > pairedBefore ? starvedBefore : pairedBefore)
  const bindings = {
    ...{ kept: [...kept], waiting: [...waiting], engineClasses: [...engineClasses] },
    ...{ memoryPages, ...takes, spare, all, before },
    ...{ starvedBefore: toDb(starvedBefore), pairedBefore: toDb(pairedBefore) },
  }
  return inIndexOrder(on, () => select(on, PoolRow, POOL, bindings))
}
