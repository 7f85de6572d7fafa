import { z } from 'zod'
import { noticeOf } from '#domain/notice.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { SelfTestState } from '#protocol/people.ts'
import { HostId, type Instant, Sha256, UserId } from '#protocol/units.ts'
import { violatedConstraint } from './errors.ts'
import { type Executor, execute, recordset, select, selectFirst, Timestamp, toDb } from './rows.ts'
import { EXCLUSIONS, exclusionsSince, STREAKS, StreaksRow } from './streaks.ts'

export const HostState = z.enum(['active', 'paused', 'quarantined', 'retired'])
export type HostState = z.infer<typeof HostState>

export interface NewHost {
  readonly id: HostId
  readonly userId: UserId | null
  readonly name: string
  readonly trusted: boolean
  readonly ownerKey: string
  readonly prefix?: string | null // name of the network it enrols from; absent or null: a shared one
  readonly publicKey: string
  readonly tokenHash: Sha256
  readonly client: string
  readonly engineClasses: readonly string[]
  readonly cores: number
  readonly memoryMiB: number
  readonly dailyQuota: number
  readonly now: Instant
}

const INSERT = `
  insert into hosts (id, user_id, name, trusted, owner_key, prefix, prefix_seen_at, public_key, token_hash, client,
    engine_classes, cores, memory_mib, daily_quota, quota_day, created_at, last_seen_at)
  values (:id, :userId, :name, :trusted, :ownerKey, cast(:prefix as text),
    case when cast(:prefix as text) is not null then cast(:now as timestamptz) end, :publicKey, :tokenHash, :client,
    :engineClasses, :cores, :memoryMiB, :dailyQuota, :now, :now, :now)`

/** Adds a host; `key_taken` changes nothing: a key names one host for ever. */
export async function insertHost(on: Executor, { now, ...host }: NewHost): Promise<'created' | 'key_taken'> {
  try {
    await execute(on, INSERT, { ...host, prefix: host.prefix ?? null, now: toDb(now) })
    return 'created'
  } catch (error) {
    if (violatedConstraint(error) === 'hosts_public_key_key') return 'key_taken'
    throw error
  }
}

const HostKeys = z.object({ id: HostId, publicKey: z.string(), tokenHash: Sha256 })
/** What proves that a call comes from a host. Never changes while the host exists. */
export type HostKeys = z.infer<typeof HostKeys>

const KEYS = `select id, public_key as "publicKey", token_hash as "tokenHash" from hosts where id = :id`

export const findHostKeys = (on: Executor, id: HostId): Promise<HostKeys | undefined> =>
  selectFirst(on, HostKeys, KEYS, { id })

const HostRow = z.object({
  id: HostId,
  userId: UserId.nullable(),
  name: z.string(),
  state: HostState,
  trusted: z.boolean(),
  selfTest: SelfTestState,
  dailyQuota: z.int(),
})
/** A host as its owner sees it. */
export type HostRow = z.infer<typeof HostRow>

const READ = `
  select id, user_id as "userId", name, state, trusted, self_test as "selfTest", daily_quota as "dailyQuota"
  from hosts where id = :id`

export const readHost = (on: Executor, id: HostId): Promise<HostRow | undefined> =>
  selectFirst(on, HostRow, READ, { id })

const LockedHost = z.object({
  id: HostId,
  userId: UserId.nullable(),
  name: z.string(),
  state: HostState,
  trusted: z.boolean(),
  ownerKey: z.string(),
  publicKey: z.string(),
  lastCall: z.int(),
  lastReply: z.string().nullable(),
  lastBodySha256: Sha256.nullable(),
  dailyQuota: z.int(),
  usedToday: z.int(),
  idleSince: Timestamp.nullable(),
  recentChecks: z.string(),
  hasVerdicts: z.boolean(),
  hasRequests: z.boolean(),
  hasNotices: z.boolean(),
  selfTest: SelfTestState,
  selfTestsFailed: z.int(),
  streaks: StreaksRow,
  exclusions: z.int(),
  prefix: z.string().nullable(),
  prefixSeenAt: Timestamp.nullable(),
  lastNotice: z.string().nullable(),
})
/**
 * A host during its scheduler call. `usedToday` is 0 on the first call of a day (UTC). `hasVerdicts`, `hasRequests` and
 * `hasNotices` say whether it is worth asking for what it has not heard, and for artifacts wanted of it. `exclusions` are
 * those of its owner that still count. `selfTestsFailed` is counted only while one is demanded. `lastNotice` is why a
 * quarantined host is refused.
 */
export type LockedHost = z.infer<typeof LockedHost>

const LOCK = `
  select id, user_id as "userId", name, state, trusted, owner_key as "ownerKey", public_key as "publicKey",
    last_call as "lastCall", last_reply as "lastReply", last_body_sha256 as "lastBodySha256",
    daily_quota as "dailyQuota",
    case when quota_day = cast(:today as date) then quota_used else 0 end as "usedToday", idle_since as "idleSince",
    recent_checks as "recentChecks",
    exists (select from unsettled_results u where u.host_id = hosts.id and not u.told) as "hasVerdicts",
    exists (select from file_requests f where f.host_id = hosts.id and f.received_at is null
      and f.given_up_at is null) as "hasRequests",
    exists (select from host_events e where e.host_id = hosts.id and e.notice is not null and not e.told) as "hasNotices",
    self_test as "selfTest", case when self_test not in ('demanded', 'demanded_again') then 0 else (select count(*) from host_events e
      where e.host_id = hosts.id and e.event = 'self_test_failed') end as "selfTestsFailed",
    ${STREAKS} as streaks, ${EXCLUSIONS} as exclusions, prefix, prefix_seen_at as "prefixSeenAt",
    case when state = 'quarantined' then
      (select notice from host_events e where e.host_id = hosts.id and e.notice is not null order by e.id desc limit 1)
    end as "lastNotice"
  from hosts where id = any(:ids) order by id for no key update`

export const lockHosts = (on: Executor, ids: readonly HostId[], now: Instant): Promise<LockedHost[]> =>
  select(on, LockedHost, LOCK, { ids, today: dayOf(now), exclusionsSince: exclusionsSince(now) })

/** What a scheduler call leaves behind on its host. */
export interface HostCall {
  readonly id: HostId
  readonly call: number
  readonly reply: string
  readonly bodySha256: Sha256
  readonly client: string
  readonly engineClasses: readonly EngineClass[]
  readonly cores: number
  readonly memoryMiB: number
  readonly dailyQuota: number
  readonly usedToday: number
  readonly idleSince: Instant | null
}

// When a host was last seen is indexed, and is asked for by minutes and hours: written with every call it would make a call write all
// indexes of the row.
const SEEN = `case when h.last_seen_at > cast(:now as timestamptz) - interval '30 seconds' then h.last_seen_at else :now end`

const SAVE = `
  update hosts h set last_call = x.call, last_reply = x.reply, last_body_sha256 = x."bodySha256", client = x.client,
    engine_classes = x."engineClasses", cores = x.cores, memory_mib = x."memoryMiB", daily_quota = x."dailyQuota",
    quota_day = cast(:today as date), quota_used = x."usedToday", last_seen_at = ${SEEN},
    idle_since = to_timestamp(x."idleSince" / 1000.0)
  from json_to_recordset(cast(:rows as json)) as x(id text, call bigint, reply text, "bodySha256" text, client text,
    "engineClasses" text[], cores int, "memoryMiB" int, "dailyQuota" int, "usedToday" int, "idleSince" double precision)
  where h.id = x.id and h.last_call < x.call`

/** Writes what the calls leave on their hosts, which are locked; returns how many. */
export const saveCalls = (on: Executor, calls: readonly HostCall[], now: Instant): Promise<number> =>
  execute(on, SAVE, { rows: recordset(calls), now: toDb(now), today: dayOf(now) })

const SPEND_CALL = `
  update hosts set last_call = :call, last_reply = null, last_body_sha256 = null where id = :id and last_call < :call`

/** Spends the number of a call that is not kept for repetition; false when this or a higher one was answered before. */
export const spendCall = async (on: Executor, call: { id: HostId; call: number }): Promise<boolean> =>
  (await execute(on, SPEND_CALL, call)) === 1

export interface HostEvent {
  readonly hostId: HostId
  readonly event: string
  readonly detail: string
}

const ADD_EVENTS = `
  insert into host_events (host_id, at, event, detail, notice)
  select x."hostId", :now, x.event, x.detail, x.notice
  from json_to_recordset(cast(:rows as json)) as x("hostId" text, event text, detail text, notice text)`

/** Notes what happened to hosts; what concerns their owners they are told, by `noticeOf`. */
export async function addHostEvents(on: Executor, events: readonly HostEvent[], now: Instant): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(event => ({ ...event, notice: noticeOf(event.event, event.detail) }))
  await execute(on, ADD_EVENTS, { rows: recordset(rows), now: toDb(now) })
}

const ANSWER = `
  update hosts set self_test = x."selfTest", recent_checks = x."recentChecks"
  from json_to_recordset(cast(:rows as json)) as x("hostId" text, "selfTest" text, "recentChecks" text)
  where hosts.id = x."hostId" and hosts.self_test in ('demanded', 'demanded_again')`

/** How a demanded self-test went, and the comparisons that are remembered after it. */
export interface SelfTestOutcome {
  readonly hostId: HostId
  readonly selfTest: SelfTestState
  readonly recentChecks: string
}

/** Writes how demanded self-tests of locked hosts went. */
export const saveSelfTests = (on: Executor, answers: readonly SelfTestOutcome[]): Promise<number> =>
  answers.length === 0 ? Promise.resolve(0) : execute(on, ANSWER, { rows: recordset(answers) })

const RETIRE = `update hosts set state = 'retired' where id = any(:ids) and state <> 'retired'`

/** Locked hosts that compute nothing any more; their owners may enrol them again. */
export const retireHosts = (on: Executor, ids: readonly HostId[]): Promise<number> =>
  ids.length === 0 ? Promise.resolve(0) : execute(on, RETIRE, { ids })

const RENAME = `update hosts set name = :name where id = :id`

export const renameHost = (on: Executor, id: HostId, name: string): Promise<number> =>
  execute(on, RENAME, { id, name })

const MOVE = `
  update hosts set prefix = x.prefix, prefix_seen_at = case when x.prefix is not null then cast(:now as timestamptz) end
  from json_to_recordset(cast(:rows as json)) as x("hostId" text, prefix text) where hosts.id = x."hostId"`

/** Writes in which networks locked hosts are now. */
export async function notePrefixes(
  on: Executor,
  hosts: readonly { hostId: HostId; prefix: string | null }[],
  now: Instant,
): Promise<void> {
  if (hosts.length > 0) await execute(on, MOVE, { rows: recordset(hosts), now: toDb(now) })
}

const SET_STATE = `update hosts set state = cast(:state as host_state) where id = :id and state <> 'retired'`

/** Quarantines or releases a host, and says why in its events; false when there is no such host. */
export async function setHostState(
  on: Executor,
  change: { id: HostId; state: 'active' | 'quarantined'; reason: string; now: Instant },
): Promise<boolean> {
  const { id, state, reason, now } = change
  if ((await execute(on, SET_STATE, { id, state })) !== 1) return false
  const event = state === 'active' ? 'released' : 'quarantined'
  await addHostEvents(on, [{ hostId: id, event, detail: reason }], now)
  return true
}

// Quotas run by the day of the server's clock in UTC.
const dayOf = (now: Instant): string => new Date(now).toISOString().slice(0, 10)

const COUNT_MATCHING = `
  select count(*) as hosts from hosts
  where state = 'active' and not trusted and last_seen_at > :since and :engineClass = any(engine_classes)
    and memory_mib >= :memoryMiB and (cast(:ownerId as text) is null or user_id is distinct from :ownerId)`

/** Hosts seen since `since` that may compute work units of such a campaign. */
export async function countMatchingHosts(
  on: Executor,
  need: { engineClass: EngineClass; memoryMiB: number; ownerId: UserId | null; since: Instant },
): Promise<number> {
  const row = await selectFirst(on, z.object({ hosts: z.int() }), COUNT_MATCHING, {
    ...need,
    since: toDb(need.since),
  })
  return row?.hosts ?? 0
}
