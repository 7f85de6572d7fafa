import { z } from 'zod'
import { addMs, HostId, type Instant, UserId } from '#protocol/units.ts'
import { HostState } from './hosts.ts'
import { type Executor, select, selectOne, Timestamp, toDb } from './rows.ts'

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS

const CountsRow = z.object({
  unsent: z.int(),
  inProgress: z.int(),
  pending: z.int(),
  success: z.int(),
  error: z.int(),
  noReply: z.int(),
  newUsers: z.int(),
  newHosts: z.int(),
  activeHosts: z.int(),
  verifiers: z.int(),
  quarantined: z.int(),
  paused: z.int(),
  running: z.int(),
  due: z.int(),
  dueSince: Timestamp.nullable(),
  unsealedSince: Timestamp.nullable(),
  appeals: z.int(),
  proposals: z.int(),
  alerts: z.int(),
  databaseBytes: z.int(),
  connections: z.int(),
  since: Timestamp, // the database was made
})
export type Counts = z.infer<typeof CountsRow>

/** Everything the console counts, in one statement. */
export const readCounts = (on: Executor, now: Instant): Promise<Counts> =>
  selectOne(on, CountsRow, COUNTS, {
    now: toDb(now),
    hourAgo: toDb(addMs(now, -HOUR_MS)),
    dayAgo: toDb(addMs(now, -DAY_MS)),
  })

const QueueRow = z.object({ name: z.string(), waiting: z.int(), oldestSeconds: z.number().nullable() })
export type Queue = z.infer<typeof QueueRow>

/** What waits in each queue of the jobs, by the database's clock, which wrote when it came. None before the first start. */
export const readQueues = async (on: Executor): Promise<Queue[]> =>
  (await hasQueues(on)) ? select(on, QueueRow, QUEUES) : []

/** Whether the jobs have made their queues: a database has none before the first start. */
export const hasQueues = async (on: Executor): Promise<boolean> =>
  (await selectOne(on, z.object({ there: z.boolean() }), HAS_QUEUES)).there

const ErrorRow = z.object({
  error: z.string(),
  kernel: z.string(),
  engineClass: z.string(),
  count: z.int(),
  hosts: z.int(),
  share: z.number(),
  newestAt: Timestamp,
})

/** What ended without a usable report since then, by kind, kernel and class, the most frequent first. */
export const readErrors = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<z.infer<typeof ErrorRow>[]> => select(on, ErrorRow, ERRORS, { since: toDb(since), limit })

const HostRow = z.object({
  id: HostId,
  name: z.string(),
  state: HostState,
  userId: UserId.nullable(),
  client: z.string(),
  engineClasses: z.array(z.string()),
  cores: z.int(),
  createdAt: Timestamp,
  lastSeenAt: Timestamp,
})

interface HostFilter {
  readonly state: HostState | null
  readonly since: Instant | null // enrolled
  readonly named: string | null
}

/** Hosts, the newest first. */
export const listHosts = (
  on: Executor,
  { since, ...filter }: HostFilter,
  page: { after: HostId | null; limit: number },
): Promise<z.infer<typeof HostRow>[]> =>
  select(on, HostRow, HOSTS, { ...filter, since: toDb(since), ...page })

// What is not valid stays in unsettled_results, so that of very many rows a part is looked at: a look costs a fifth of a second at most.
const LOOKED_AT_MAX = 50_000
const SHARE = `(select least(1, ${LOOKED_AT_MAX} / greatest(reltuples, 1)) from pg_class where oid = cast('unsettled_results' as regclass))`
/** An expression: how many results wait for their verdict; beyond some ten thousands unsettled ones it is an estimate. */
export const PENDING = `(select cast(round(count(*) / ${SHARE}) as bigint)
  from unsettled_results u tablesample system (100 * ${SHARE}) join results r on r.id = u.result_id where r.verdict = 'pending')`

const COUNTS = `
  select
    (select count(*) from results where state = 'unsent') as unsent,
    (select count(*) from results where state = 'in_progress') as "inProgress",
    ${PENDING} as pending,
    h.success, h.error,
    (select count(*) from results where outcome = 'no_reply' and deadline > :hourAgo and deadline <= :now) as "noReply",
    (select count(*) from users where created_at > :dayAgo and deleted_at is null) as "newUsers",
    (select count(*) from hosts where created_at > :dayAgo) as "newHosts",
    (select count(*) from hosts where last_seen_at > :hourAgo and state = 'active' and not trusted) as "activeHosts",
    (select count(*) from hosts where last_seen_at > :hourAgo and state = 'active' and trusted) as verifiers,
    (select count(*) from hosts where state = 'quarantined') as quarantined,
    (select count(*) from hosts where state = 'paused') as paused,
    (select count(*) from campaigns where state = 'running' and paused_at is null) as running,
    d.due, d."dueSince",
    (select created_at from transfers where (xid, id) > (
        coalesce((select last_xid from blocks order by number desc limit 1), cast('0' as xid8)),
        coalesce((select last_id from blocks order by number desc limit 1), 0))
      order by xid, id limit 1) as "unsealedSince",
    (select count(*) from appeals where decision is null) as appeals,
    (select count(*) from kernel_proposals where state = 'checked') as proposals,
    (select count(*) from alerts where resolved_at is null) as alerts,
    pg_database_size(current_database()) as "databaseBytes",
    (select count(*) from pg_stat_activity where datname = current_database()) as connections,
    (select min(applied_at) from schema_migrations) as since
  from (
    select count(*) filter (where outcome = 'success') as success, count(*) filter (where outcome = 'error') as error
    from results where reported_at > :hourAgo) as h
  cross join (select count(*) as due, min(at) as "dueSince" from (
      select at from touched_units union all select wake_at from live_units where wake_at <= :now
      union all select deadline from results where state = 'in_progress' and deadline <= :now) as o) as d`

const HAS_QUEUES = `select to_regclass('pgboss.job') is not null as there`

const QUEUES = `
  select name, count(*) as waiting,
    cast(extract(epoch from now() - min(created_on) filter (where start_after <= now())) as double precision)
      as "oldestSeconds"
  from pgboss.job where state in ('created', 'retry') group by name order by name`

// What a host only gave back is no error of anything.
const ERRORS = `
  with ended as (
    select coalesce(r.error_code, cast(r.outcome as text)) as error, r.outcome, r.host_id,
      k.name || '@' || k.version as kernel, w.engine_class,
      coalesce(r.reported_at, r.deadline) as at
    from results r join work_units w on w.id = r.work_unit_id join kernels k on k.module_sha256 = w.kernel_sha256
    where (r.reported_at > :since or (r.outcome = 'no_reply' and r.deadline > :since))
      and r.outcome in ('success', 'error', 'no_reply') and r.error_code is distinct from 'host_stopped'),
  totals as (select kernel, engine_class, count(*) as n from ended group by kernel, engine_class)
  select e.error, e.kernel, e.engine_class as "engineClass", count(*) as count, count(distinct e.host_id) as hosts,
    cast(count(*) as double precision) / max(t.n) as share, max(e.at) as "newestAt"
  from ended e join totals t on t.kernel = e.kernel and t.engine_class = e.engine_class
  where e.outcome <> 'success' group by e.error, e.kernel, e.engine_class
  order by count(*) desc, e.error, e.kernel, e.engine_class limit :limit`

const HOSTS = `
  select id, name, state, user_id as "userId", client, engine_classes as "engineClasses", cores,
    created_at as "createdAt", last_seen_at as "lastSeenAt"
  from hosts
  where (cast(:state as text) is null or cast(state as text) = :state)
    and (cast(:since as timestamptz) is null or created_at > :since)
    and (cast(:named as text) is null or position(lower(:named) in lower(name)) > 0)
    and (cast(:after as text) is null or id < :after)
  order by id desc limit :limit`
