import { z } from 'zod'
import type { UnitQuery } from '#protocol/acts.ts'
import { ResultLine } from '#protocol/operator.ts'
import { addMs, type HostId, type Instant, type ResultId, WorkUnitId } from '#protocol/units.ts'
import { type Bindings, type Executor, execute, select, Timestamp, toDb } from './rows.ts'

type Filter = z.infer<typeof UnitQuery>

const HOUR_MS = 3600_000

function bindingsOf(filter: Filter, now: Instant): Bindings {
  const { workUnitId = null, campaignId = null, ownerId = null, kernel = null, engineClass = null } = filter
  const { hostId = null, state = null, error = null, olderThanHours } = filter
  const before = olderThanHours === undefined ? null : addMs(now, -olderThanHours * HOUR_MS)
  const unit = { workUnitId, campaignId, ownerId, kernel, engineClass }
  return { ...unit, hostId, state, error, before: toDb(before) }
}

// A field that is null is planned away.
const OF_UNIT = `
  (cast(:workUnitId as text) is null or w.id = :workUnitId)
  and (cast(:campaignId as text) is null or w.campaign_id = :campaignId)
  and (cast(:ownerId as text) is null or c.owner_id = :ownerId)
  and (cast(:kernel as text) is null or k.name || '@' || k.version = :kernel)
  and (cast(:engineClass as text) is null or w.engine_class = :engineClass)`
// Pending is what succeeded and waits for its verdict; how old something is counts from when that began.
const OF_RESULT = `
  (cast(:hostId as text) is null or r.host_id = :hostId)
  and (cast(:state as text) is null or case :state when 'pending' then r.verdict = 'pending'
    else cast(r.state as text) = :state end)
  and (cast(:error as text) is null or coalesce(r.error_code, cast(r.outcome as text)) = :error)
  and (cast(:before as timestamptz) is null
    or case when r.verdict = 'pending' then r.reported_at else coalesce(r.sent_at, r.created_at) end < :before)`
const JOINS = `
  from work_units w join campaigns c on c.id = w.campaign_id join kernels k on k.module_sha256 = w.kernel_sha256`

/** What units an act is for: besides what the filter says. */
export type UnitsFor = 'cancel_units' | 'requeue_units' | 'revalidate_units' | 'unstick_units'

const ACTABLE: Readonly<Record<UnitsFor, string>> = {
  cancel_units: `w.state = 'open'`,
  requeue_units: `w.state = 'open' and r.state = 'in_progress'`,
  revalidate_units: `w.state = 'valid' and w.wanted_check <> 'verifier'`,
  unstick_units: `(w.state = 'open' or w.published_at is null)`,
}

const MatchRow = z.object({ id: WorkUnitId, what: z.string() })

/** Work units that an act is for, oldest first, at most `limit`; each with its campaign's title. */
export const matchUnits = (
  on: Executor,
  kind: UnitsFor,
  filter: Filter,
  { now, limit }: { now: Instant; limit: number },
): Promise<z.infer<typeof MatchRow>[]> =>
  select(on, MatchRow, matching(kind), { ...bindingsOf(filter, now), limit })

const matching = (kind: UnitsFor): string => `
  select w.id, w.state || ' · ' || c.title as what ${JOINS}
  where ${OF_UNIT} and exists (select from results r where r.work_unit_id = w.id and ${OF_RESULT} and ${ACTABLE[kind]})
  order by w.id limit :limit`

const REVOKE = `
  update results set state = 'over', outcome = 'cancelled', grace_until = :now
  where work_unit_id = any(:workUnitIds) and state = 'in_progress'
    and (cast(:hostId as text) is null or host_id = :hostId)`

/** Takes leases on locked work units away, without grace: all of them, or those of one host. Returns how many. */
export const takeLeases = (
  on: Executor,
  leases: { workUnitIds: readonly WorkUnitId[]; hostId: HostId | null },
  now: Instant,
): Promise<number> => execute(on, REVOKE, { ...leases, now: toDb(now) })

const ResultRow = ResultLine.extend({ since: Timestamp })
export type ListedResult = z.infer<typeof ResultRow>

/** Results that a filter names, the newest first. */
export const listResults = (
  on: Executor,
  filter: Filter,
  page: { now: Instant; after: ResultId | null; limit: number },
): Promise<ListedResult[]> => {
  const { now, after, limit } = page
  return select(on, ResultRow, LIST, { ...bindingsOf(filter, now), after, limit })
}

const LIST = `
  select r.id, w.id as "workUnitId", w.experiment_id as "experimentId", w.campaign_id as "campaignId", c.title,
    k.name || '@' || k.version as kernel, w.engine_class as "engineClass", r.state, r.outcome, r.verdict,
    case when r.outcome in ('error', 'no_reply') then coalesce(r.error_code, cast(r.outcome as text)) end as error,
    r.error_detail as detail, r.host_id as "hostId", h.name as "hostName",
    coalesce(r.reported_at, r.sent_at, r.created_at) as since
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  join kernels k on k.module_sha256 = w.kernel_sha256 left join hosts h on h.id = r.host_id
  where ${OF_UNIT} and ${OF_RESULT} and (cast(:after as text) is null or r.id < :after)
  order by r.id desc limit :limit`
