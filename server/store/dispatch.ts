import { z } from 'zod'
import type { Patience } from '#domain/dispatch.ts'
import { EngineClass } from '#protocol/engine.ts'
import { CampaignId, HostId, type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { inIndexOrder } from './database.ts'
import { COMPUTED } from './pool.ts'
import { UNIT_OPEN } from './reports.ts'
import { type Executor, execute, recordset, select, selectOne, Timestamp, toDb } from './rows.ts'

export interface AskingHost {
  readonly hostId: HostId
  readonly userId: string | null
  readonly ownerKey: string
  readonly prefix: string | null // null: it may be beside anybody of another owner
  readonly trusted: boolean
  /** By engine class: the largest unit it may compute alone; no entry: none. */
  readonly provenFuel: Readonly<Record<string, number>>
  readonly engineClasses: readonly string[]
  readonly memoryPages: number
  readonly limit: number // how many candidates
}

const CandidateRow = z.object({
  hostId: HostId,
  resultId: ResultId,
  workUnitId: WorkUnitId,
  attempt: z.int(),
  deadlineMs: z.int(),
  graceMs: z.int(),
  fuelMax: z.int(),
  engineClass: EngineClass,
  /** While it may be of several classes: what a run takes in each. */
  choices: z.array(z.object({ engineClass: EngineClass, fuelMax: z.int() })).nullable(),
  policy: z.enum(['adaptive', 'fixed']),
  goesOn: z.boolean(),
  datasetSha256: Sha256,
  /** Nobody computed it or holds it, as far as that was looked up. */
  isNew: z.boolean(),
})
export type CandidateRow = z.infer<typeof CandidateRow>

// What a host may compute of what is unsent. A volunteer gets replicas only, none of a work unit that its owner or its
// network is in, none of its own campaigns, and of a study nothing that they computed before, under whatever campaign. A trusted host gets every check but those held back (store/results.ts), also of a valid unit or of a campaign that ended, and replicas that no
// volunteer took for a while, unless another trusted one is at the unit. (select true … limit 1) is null is a not exists
// that the planner cannot turn into a scan of all results.
const eligible = (lane: string): string => `
  from results r
  join work_units w on w.id = r.work_unit_id
  join campaigns p on p.id = w.campaign_id
  join kernels k on k.module_sha256 = w.kernel_sha256
  where r.state = 'unsent' and r.lane = ${lane}
    and (r.kind = 'check' or (w.state = 'open' and p.state = 'running' and p.paused_at is null))
    and (w.engine_class = any(h."engineClasses") or w.engines && h."engineClasses")
    and cast(k.manifest->>'memoryPagesMax' as bigint) <= h."memoryPages"
    and case when h.trusted then
      (r.kind = 'check' and r.priority >= w.priority) or r.kind = 'replica' and not w.independent and (select true from results o where o.work_unit_id = w.id and o.trusted
        and (o.state = 'in_progress' or o.verdict = 'pending') limit 1) is null
    else
      p.owner_id is distinct from h."userId" and (
        select true from results o where o.work_unit_id = w.id
          and (o.owner_key = h."ownerKey" or o.prefix = h.prefix) and not o.trusted limit 1) is null
      and (not w.independent or (
        select true from work_units s join results o on o.work_unit_id = s.id where s.run_key = w.run_key
          and (o.owner_key = h."ownerKey" or o.prefix = h.prefix) and not o.trusted limit 1) is null)
    end`

const COLUMNS = `
  r.id as "resultId", w.id as "workUnitId", r.priority, r.attempt, w.deadline_ms as "deadlineMs",
  w.grace_ms as "graceMs", w.fuel_max as "fuelMax", w.engine_class as "engineClass", w.policy,
  p.dataset_sha256 as "datasetSha256", false as "isNew",
  case when w.engines is not null then (select jsonb_agg(jsonb_build_object('engineClass', u.engine_class,
    'fuelMax', u.fuel_max)) from unit_classes u where u.work_unit_id = w.id) end as choices,
  exists (select from work_units e cross join lateral ${COMPUTED} as er
      where e.experiment_id = w.experiment_id and e.seed_index = w.seed_index and e.rung < w.rung
        and er.host_id = h."hostId")
    and not exists (select from results o where o.work_unit_id = w.id and o.state <> 'unsent') as "goesOn"`

// For hosts that found too few in the pool (pool.ts) of their group, each by itself. Rows that another process holds are skipped: nobody waits, so that dispatch cannot be
// part of a deadlock although it comes after the locks of hosts. Work units are locked as well so that no other process
// gives an owner a second result of one. First what is kept for such hosts, walked in the order of the index results_in_lane, so that a host costs as many
// rows as it may be given, however many are waiting; then what was kept for others long enough, by the index
// results_waiting; last what is for anyone. The rule is mayTake of the domain.
const CANDIDATES = `
  select h."hostId", c.*
  from (
    select h.*, "provenFuel" <> '{}' as proven from json_to_recordset(cast(:hosts as json)) as h("hostId" text,
      "userId" text, "ownerKey" text, prefix text, trusted boolean, "provenFuel" jsonb, "engineClasses" text[],
      "memoryPages" bigint, "limit" int)) as h
  cross join lateral (
    select found.*, row_number() over (order by turn, priority desc, "workUnitId", "resultId") as place from (
      select case l.lane when 'anyone' then 3 else 1 end as turn, kept.*
      from unnest(cast(case when h.trusted then '{verifier}' when h.proven then '{proven,anyone}'
        else '{unproven,anyone}' end as lane[])) as l(lane)
      cross join lateral (
        select ${COLUMNS} ${eligible('l.lane')}
          and (l.lane <> 'proven' or w.fuel_max <= cast(h."provenFuel"->>w.engine_class as bigint))
        order by r.priority desc, r.work_unit_id, r.id
        limit :window
        for no key update of r, w skip locked) as kept
      union all
      select 2, waiting.*
      from unnest(cast(case when h.trusted then '{proven,unproven,anyone}' when h.proven then '{proven,unproven}'
        else '{proven}' end as lane[])) as l(lane)
      cross join lateral (
        select ${COLUMNS} ${eligible('l.lane')}
          and r.created_at <= case when h.trusted then cast(:starvedBefore as timestamptz)
            else cast(:pairedBefore as timestamptz) end
          and (h.trusted or l.lane <> 'proven'
            or w.fuel_max > coalesce(cast(h."provenFuel"->>w.engine_class as bigint), 0))
        order by r.created_at, r.id
        limit :window
        for no key update of r, w skip locked) as waiting) as found) as c
  where c.place <= h."limit"
  order by h."hostId", c.place`

/** Unsent results that each host may compute, locked, in the order of dispatch. */
export async function lockCandidates(
  on: Executor,
  hosts: readonly AskingHost[],
  { starvedBefore, pairedBefore }: Patience,
): Promise<CandidateRow[]> {
  if (hosts.length === 0) return []
  // As a parameter its value is known to the planner, which then walks the index instead of sorting everything.
  const window = Math.max(...hosts.map(host => host.limit))
  const patience = { starvedBefore: toDb(starvedBefore), pairedBefore: toDb(pairedBefore) }
  const bindings = { hosts: recordset(hosts), ...patience, window }
  return inIndexOrder(on, () => select(on, CandidateRow, CANDIDATES, bindings))
}

export interface NewLease {
  readonly resultId: ResultId
  readonly hostId: HostId
  readonly deadline: Instant
  readonly graceUntil: Instant
  readonly proven: boolean // its streak allows single replication of this unit
}

const LeaseRow = z.object({
  resultId: ResultId,
  hostId: HostId,
  workUnitId: WorkUnitId,
  campaignId: CampaignId,
  title: z.string(),
  job: z.string(),
  runKey: Sha256,
  engineClass: EngineClass,
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  fuelMax: z.int(),
  deadline: Timestamp,
})
/** What a lease tells its host, but for the kernel and the data. */
export type LeaseRow = z.infer<typeof LeaseRow>

const LEASE_COLUMNS = `
  r.id as "resultId", r.host_id as "hostId", w.id as "workUnitId", p.id as "campaignId", p.title, w.job,
  w.run_key as "runKey", w.engine_class as "engineClass", w.kernel_sha256 as "kernelSha256", p.dataset_sha256 as "datasetSha256",
  w.fuel_max as "fuelMax", r.deadline`

const LEASE = `
  with x as (
    select x."resultId", x."hostId", to_timestamp(x.deadline / 1000.0) as deadline,
      to_timestamp(x."graceUntil" / 1000.0) as grace_until, h.owner_key, h.trusted, x.proven,
      case when not h.trusted then h.prefix end as prefix
    from json_to_recordset(cast(:rows as json)) as x("resultId" text, "hostId" text, deadline double precision,
      "graceUntil" double precision, proven boolean) join hosts h on h.id = x."hostId")
  update results r set state = 'in_progress', host_id = x."hostId", engine_class = w.engine_class, owner_key = x.owner_key,
    trusted = x.trusted, proven = x.proven, prefix = x.prefix, sent_at = :now, deadline = x.deadline, grace_until = x.grace_until
  from x, work_units w, campaigns p
  where r.id = x."resultId" and r.state = 'unsent' and w.id = r.work_unit_id and p.id = w.campaign_id
  returning ${LEASE_COLUMNS}`

/** Gives locked candidates to hosts. Their work units are found when a deadline passes (`lockDueWorkUnits`). */
export async function lease(on: Executor, leases: readonly NewLease[], now: Instant): Promise<LeaseRow[]> {
  if (leases.length === 0) return []
  return select(on, LeaseRow, LEASE, { rows: recordset(leases), now: toDb(now) })
}

const READ_LEASES = `
  select ${LEASE_COLUMNS}
  from results r join work_units w on w.id = r.work_unit_id join campaigns p on p.id = w.campaign_id
  where r.id = any(:ids) and r.state = 'in_progress'
  order by r.sent_at, r.id`

/** Leases that were given before. */
export async function readLeases(on: Executor, ids: readonly ResultId[]): Promise<LeaseRow[]> {
  return ids.length === 0 ? [] : select(on, LeaseRow, READ_LEASES, { ids })
}

const HeldRow = z.object({
  resultId: ResultId,
  hostId: HostId.nullable(),
  state: z.enum(['unsent', 'in_progress', 'over']),
  outcome: z.string().nullable(),
  graceUntil: Timestamp.nullable(),
  unitOpen: z.boolean(),
  unitValid: z.boolean(),
})
export type HeldRow = z.infer<typeof HeldRow>

const HELD = `
  select r.id as "resultId", r.host_id as "hostId", r.state, r.outcome, r.grace_until as "graceUntil",
    ${UNIT_OPEN} as "unitOpen", w.state = 'valid' as "unitValid"
  from results r join work_units w on w.id = r.work_unit_id
  where r.id in (select id from results where host_id = any(:hostIds) and state = 'in_progress'
    union all select unnest(cast(:ids as text[])))
  order by r.sent_at, r.id`

/** The leases that these hosts hold, and whatever became of the results `ids`. */
export const readHeld = (
  on: Executor,
  hostIds: readonly HostId[],
  ids: readonly ResultId[],
): Promise<HeldRow[]> => select(on, HeldRow, HELD, { hostIds, ids })

export interface HeldProgress {
  readonly resultId: ResultId
  readonly hostId: HostId
  readonly fraction: number
}

// Progress is for people to look at: a row that somebody else holds is not worth a wait, nor a deadlock.
const PROGRESS = `
  with held as (
    select r.id, x.fraction from results r
    join json_to_recordset(cast(:rows as json)) as x("resultId" text, "hostId" text, fraction real)
      on r.id = x."resultId" and r.host_id = x."hostId"
    where r.state = 'in_progress' and r.fraction < x.fraction
    for no key update of r skip locked)
  update results r set fraction = held.fraction from held where r.id = held.id`

export async function noteProgress(on: Executor, held: readonly HeldProgress[]): Promise<void> {
  if (held.length > 0) await execute(on, PROGRESS, { rows: recordset(held) })
}

const OWNERS = `
  select count(*) as owners from (
    select distinct owner_key from hosts where state = 'active' and not trusted and last_seen_at > :since limit :limit) as present`

/** Owners other than the operator with a host seen since then, counted up to `limit`: whether there are enough is all that matters. */
export async function countOwners(on: Executor, since: Instant, limit: number): Promise<number> {
  return (await selectOne(on, z.object({ owners: z.int() }), OWNERS, { since: toDb(since), limit })).owners
}

const MORE = `
  select exists (select from results where state = 'unsent' and lane <> 'verifier' offset :count) as "isMore"`

/** Whether more than so many results for volunteers wait to be sent. It reads so many, by an index of what is unsent. */
export const isUnsentMore = async (on: Executor, count: number): Promise<boolean> =>
  (await selectOne(on, z.object({ isMore: z.boolean() }), MORE, { count })).isMore
