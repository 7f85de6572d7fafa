import { z } from 'zod'
import type { Standing } from '#domain/trust.ts'
import { SelfTestState } from '#protocol/people.ts'
import { HostId, type Instant, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { addHostEvents, HostState } from './hosts.ts'
import { IS_UNCONFIRMED } from './provisional.ts'
import { column, execute, executeOf, recordset, select, toDb } from './rows.ts'
import { STREAKS, StreaksRow } from './streaks.ts'

/** Locks hosts, ids ascending, and reads what judging their results changes. */
export async function lockStandings(
  trx: Trx,
  ids: readonly HostId[],
): Promise<ReadonlyMap<HostId, Standing>> {
  if (ids.length === 0) return new Map()
  return byHost(await select(trx, StandingRow, LOCK, { ids: [...new Set(ids)] }))
}

/**
 * The same for judging: the operator's own hosts are read without a lock, since no verdict changes how they stand. They check for
 * everybody, so that batches would wait for each other. `free`: who is held by somebody else is left out.
 */
export async function lockVolunteers(
  trx: Trx,
  ids: readonly HostId[],
  which: 'all' | 'free',
): Promise<ReadonlyMap<HostId, Standing>> {
  if (ids.length === 0) return new Map()
  const asked = [...new Set(ids)]
  const lock = which === 'free' ? `${LOCK_VOLUNTEERS} skip locked` : LOCK_VOLUNTEERS
  const rows = await select(trx, StandingRow, lock, { ids: asked })
  const own = rows.length === asked.length ? [] : await select(trx, StandingRow, READ_OWN, { ids: asked })
  return byHost([...rows, ...own])
}

/** As `lockStandings`, of every host of these hosts' owners. */
export const lockOwners = async (trx: Trx, ids: readonly HostId[]): Promise<ReadonlyMap<HostId, Standing>> =>
  byHost(await select(trx, StandingRow, LOCK_OWNERS, { ids }))

const byHost = (rows: readonly Standing[]): ReadonlyMap<HostId, Standing> =>
  new Map(rows.map(row => [row.id, row]))

/** Writes standings of locked hosts. */
export async function saveStandings(trx: Trx, standings: readonly Standing[]): Promise<void> {
  if (standings.length === 0) return
  const streaks = standings.flatMap(({ id: hostId, streaks: byClass }) =>
    Object.entries(byClass).map(([engineClass, streak]) => ({ hostId, engineClass, ...streak })),
  )
  await Promise.all([
    execute(trx, SAVE, {
      ids: column(standings, s => s.id),
      states: column(standings, s => s.state),
      quotas: column(standings, s => s.dailyQuota),
      checks: column(standings, s => s.recentChecks),
      selfTests: column(standings, s => s.selfTest),
    }),
    executeOf(trx, streaks, SAVE_STREAKS, { rows: recordset(streaks) }),
  ])
}

export interface Exclusion {
  readonly hostId: HostId
  readonly reason: string
}

/** Writes down hosts that cheated; those that are known already stay as they are. */
export async function addExclusions(trx: Trx, exclusions: readonly Exclusion[], now: Instant): Promise<void> {
  if (exclusions.length === 0) return
  await execute(trx, EXCLUDE, {
    ids: column(exclusions, e => e.hostId),
    reasons: column(exclusions, e => e.reason),
    now: toDb(now),
  })
}

/** The same, and they are given nothing from now on. What follows is done by the job `standing`. */
export async function excludeHosts(trx: Trx, exclusions: readonly Exclusion[], now: Instant): Promise<void> {
  if (exclusions.length === 0) return
  await execute(trx, QUARANTINE, { ids: column(exclusions, e => e.hostId) })
  await addExclusions(trx, exclusions, now)
  const events = exclusions.map(({ hostId, reason }) => ({ hostId, event: 'quarantined', detail: reason }))
  await addHostEvents(trx, events, now)
}

const ExclusionRow = z.object({ hostId: HostId, reason: z.string(), isSpread: z.boolean() })

/** Which of these hosts are excluded, and whether their owner's other hosts were paused for it. */
export const readExclusions = (
  trx: Trx,
  hostIds: readonly HostId[],
): Promise<z.infer<typeof ExclusionRow>[]> => select(trx, ExclusionRow, READ_EXCLUSIONS, { hostIds })

export const markSpread = (trx: Trx, hostIds: readonly HostId[], now: Instant): Promise<number> =>
  execute(trx, MARK_SPREAD, { hostIds, now: toDb(now) })

/** Exclusions that an operator took back: they count against nobody, and what led to them is forgotten. */
export async function liftExclusions(trx: Trx, hostIds: readonly HostId[], now: Instant): Promise<void> {
  await execute(trx, LIFT, { hostIds, now: toDb(now) })
  await execute(trx, FORGIVE, { hostIds })
}

/** Hosts with an answer in doubt that still stands: the request to open its unit again got lost. */
export async function listDoubted(trx: Trx, limit: number): Promise<HostId[]> {
  return (await select(trx, IdRow, LIST_DOUBTED, { limit })).map(row => row.id)
}

const IdRow = z.object({ id: HostId })

/** Those of these hosts that have a provisional result. */
export async function hostsWithProvisional(trx: Trx, ids: readonly HostId[]): Promise<HostId[]> {
  if (ids.length === 0) return []
  return (await select(trx, IdRow, WITH_PROVISIONAL, { ids })).map(row => row.id)
}

/**
 * Those of these hosts of which a result may have to be judged again: who erred, is out of play or was claimed, and whose
 * work another run was answered with that does not stand any more. The others cost this one look.
 */
export async function hostsInDoubt(trx: Trx, ids: readonly HostId[]): Promise<HostId[]> {
  return (await select(trx, IdRow, IN_DOUBT, { ids })).map(row => row.id)
}

/** Paused hosts of whose results none waits to be judged again any more are active; gives which. */
export async function releaseRechecked(trx: Trx, limit: number): Promise<HostId[]> {
  return (await select(trx, IdRow, RELEASE_RECHECKED, { limit })).map(row => row.id)
}

/** Excluded hosts whose owner's other hosts were not looked at yet. */
export async function listUnspread(trx: Trx, limit: number): Promise<HostId[]> {
  return (await select(trx, IdRow, LIST_UNSPREAD, { limit })).map(row => row.id)
}

const StandingRow = z.object({
  id: HostId,
  userId: UserId.nullable(),
  ownerKey: z.string(),
  state: HostState,
  dailyQuota: z.int(),
  recentChecks: z.string(),
  selfTest: SelfTestState,
  streaks: StreaksRow,
})

const COLUMNS = `
  id, user_id as "userId", owner_key as "ownerKey", state, daily_quota as "dailyQuota",
  recent_checks as "recentChecks", self_test as "selfTest", ${STREAKS} as streaks`

const LOCK = `select ${COLUMNS} from hosts where id = any(:ids) order by id for no key update`

const LOCK_VOLUNTEERS = `
  select ${COLUMNS} from hosts where id = any(:ids) and not trusted order by id for no key update`
const READ_OWN = `select ${COLUMNS} from hosts where id = any(:ids) and trusted`

const LOCK_OWNERS = `
  select ${COLUMNS} from hosts
  where owner_key in (select owner_key from hosts where id = any(:ids)) and not trusted
  order by id for no key update`

const SAVE = `
  update hosts h set state = x.state, daily_quota = x.quota, recent_checks = x.checks, self_test = x.self_test
  from unnest(:ids::text[], :states::host_state[], :quotas::int[], :checks::text[], :selfTests::text[])
    as x (id, state, quota, checks, self_test)
  where h.id = x.id`

const SAVE_STREAKS = `
  insert into streaks as s (host_id, engine_class, count, fuel, final_until, fault_at)
  select "hostId", "engineClass", count, fuel, to_timestamp("finalUntil" / 1000.0), to_timestamp("faultAt" / 1000.0)
  from json_to_recordset(cast(:rows as json)) as x("hostId" text, "engineClass" text, count int, fuel bigint,
    "finalUntil" double precision, "faultAt" double precision)
  on conflict (host_id, engine_class) do update set count = excluded.count, fuel = excluded.fuel,
    final_until = excluded.final_until, fault_at = excluded.fault_at`

const QUARANTINE = `update hosts set state = 'quarantined' where id = any(:ids) and state <> 'retired'`

const EXCLUDE = `
  insert into exclusions (host_id, owner_key, reason, at)
  select h.id, h.owner_key, x.reason, :now
  from unnest(:ids::text[], :reasons::text[]) as x (id, reason) join hosts h on h.id = x.id
  on conflict (host_id) do update set reason = excluded.reason, at = excluded.at, spread_at = null, lifted_at = null
    where exclusions.lifted_at is not null`

const LIFT = `update exclusions set lifted_at = :now where host_id = any(:hostIds) and lifted_at is null`
const FORGIVE = `update hosts set recent_checks = '' where id = any(:hostIds)`

const READ_EXCLUSIONS = `
  select host_id as "hostId", reason, spread_at is not null as "isSpread" from exclusions
  where host_id = any(:hostIds) and lifted_at is null order by host_id`

const MARK_SPREAD = `update exclusions set spread_at = :now where host_id = any(:hostIds) and spread_at is null`

const WITH_PROVISIONAL = `
  select h.id from unnest(:ids::text[]) as h (id)
  where exists (select from provisional_results p where p.host_id = h.id)`

const IN_DOUBT = `
  select h.id from hosts h where h.id = any(:ids) and (
    h.state <> 'active' or h.joined_at is not null
    or exists (select from streaks s where s.host_id = h.id and s.fault_at is not null)
    or exists (select from exclusions x where x.host_id = h.id and x.lifted_at is null)
    or exists (select from unsettled_results u join results mine on mine.id = u.result_id
      join results r on r.work_unit_id = mine.work_unit_id and r.verdict <> 'valid'
      join work_units w on w.answered_by = r.id
      where u.host_id = h.id and mine.verdict <> 'valid' and w.state = 'valid'))
  order by h.id`

const RELEASE_RECHECKED = `
  with rechecked as (
    select h.id from hosts h where h.state = 'paused'
      and not exists (select from results r join work_units w on w.id = r.work_unit_id
        where r.host_id = h.id and ${IS_UNCONFIRMED} and w.state = 'valid')
      and not exists (select from unsettled_results u join results r on r.id = u.result_id join work_units w on w.id = r.work_unit_id
        where u.host_id = h.id and r.verdict = 'pending' and w.reopened_at is not null)
    order by h.id limit :limit for no key update skip locked)
  update hosts h set state = 'active' from rechecked where h.id = rechecked.id returning h.id`

const LIST_UNSPREAD = `
  select host_id as id from exclusions where spread_at is null and lifted_at is null order by at limit :limit`

// One look into results_unconfirmed for each host that ever erred; it finds nothing once its units were judged again: what is not
// valid is not in it.
const LIST_DOUBTED = `
  select s.host_id as id from streaks s where s.fault_at is not null and exists (
    select from results r join work_units w on w.id = r.work_unit_id
    where r.host_id = s.host_id and ${IS_UNCONFIRMED} and r.reported_at <= s.fault_at
      and w.engine_class = s.engine_class and w.state = 'valid')
  union
  select x.host_id from exclusions x join hosts h on h.id = x.host_id
  where x.lifted_at is null and x.spread_at is not null and h.state <> 'active' and exists (
    select from results r join work_units w on w.id = r.work_unit_id
    where r.host_id = x.host_id and ${IS_UNCONFIRMED} and w.state = 'valid')
  limit :limit`
