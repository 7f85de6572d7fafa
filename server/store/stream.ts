import { z } from 'zod'
import { EventCursor, EventKind } from '#protocol/events.ts'
import {
  CampaignId,
  ExperimentId,
  type HostId,
  type Instant,
  type ResultId,
  WorkUnitId,
} from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { EVENT_IS_TOLD, EVENT_KIND } from './events.ts'
import { type Executor, execute, select, selectOne, Timestamp, toDb } from './rows.ts'

const Placed = { cursor: EventCursor, campaignId: CampaignId, listed: z.boolean(), at: Timestamp }
const StreamRow = z.discriminatedUnion('type', [
  z.object({
    ...{ ...Placed, type: z.literal('event'), kind: EventKind, detail: z.string() },
    ...{ workUnitId: WorkUnitId.nullable(), experimentId: ExperimentId.nullable() },
  }),
  z.object({
    ...{ ...Placed, type: z.literal('tick'), runs: z.int(), failed: z.int(), agreed: z.int() },
    experiments: z.array(ExperimentId),
  }),
])
/** What happened, in the one order of all campaigns; `listed`: also those hear of it who did not name the campaign. */
export type StreamRow = z.infer<typeof StreamRow>

/** Of which rows a reader wants to hear; undefined: of all. */
interface Wanted {
  readonly home: boolean
  readonly campaigns: readonly CampaignId[]
  readonly experiments: readonly ExperimentId[]
}

/** What happened after `after`, oldest first. Nothing is ever inserted in front of what was read (decision 0018). */
export function listStream(
  on: Executor,
  { after, limit, wanted }: { after: EventCursor; limit: number; wanted?: Wanted | undefined },
): Promise<StreamRow[]> {
  const [xid = '', id = ''] = after.split('-')
  const { home = true, campaigns = [], experiments = [] } = wanted ?? {}
  return select(on, StreamRow, LIST, {
    xid,
    id,
    limit,
    all: wanted === undefined,
    home,
    campaigns,
    experiments,
  })
}

const EndRow = z.object({ end: EventCursor, next: z.string() })

/** Behind everything that can be read now; what becomes readable later stands behind it. */
export const streamEnd = async (on: Executor): Promise<EventCursor> => (await selectOne(on, EndRow, END)).end

/** Whether a cursor can be of this database: a restored one begins with lower transaction numbers. */
export async function isOfPast(on: Executor, cursor: EventCursor): Promise<boolean> {
  const [xid = ''] = cursor.split('-')
  return BigInt(xid) < BigInt((await selectOne(on, EndRow, END)).next)
}

/** Which of these there are not. */
export async function missingTopics(
  on: Executor,
  {
    campaigns,
    experiments,
    hosts,
  }: {
    campaigns: readonly CampaignId[]
    experiments: readonly ExperimentId[]
    hosts: readonly HostId[]
  },
): Promise<string[]> {
  return (await select(on, MissingRow, MISSING, { campaigns, experiments, hosts })).map(row => row.id)
}
const MissingRow = z.object({ id: z.string() })

/** Runs of these experiments, which were public before, were verified now and may be ranked. */
export async function tickVerified(
  trx: Trx,
  rows: readonly { readonly campaignId: CampaignId; readonly experimentId: ExperimentId }[],
  now: Instant,
): Promise<void> {
  if (rows.length === 0) return
  const [campaigns, experiments] = [rows.map(row => row.campaignId), rows.map(row => row.experimentId)]
  await execute(trx, TICK_VERIFIED, { campaigns, experiments, now: toDb(now) })
}

/** Says after the commit that something changed for the hosts of these results and for their accounts. */
export async function tellHosts(trx: Trx, resultIds: readonly ResultId[]): Promise<void> {
  if (resultIds.length > 0) await execute(trx, TELL_HOSTS, { resultIds })
}

/** Forgets ticks; returns how many. */
export const forgetTicks = (
  trx: Trx,
  { before, limit }: { before: Instant; limit: number },
): Promise<number> => execute(trx, FORGET, { before: toDb(before), limit })

/** Of a campaign `c`: its own page and lists show it. */
export const IS_LISTED = `c.file->>'visibility' is distinct from 'unlisted'`
const IS_WANTED = `(e.xid, e.id) > (cast(:xid as xid8), cast(:id as bigint)) and e.xid < pg_snapshot_xmin(pg_current_snapshot())
     and (:all or e.campaign_id = any(:campaigns) or (:home and ${IS_LISTED})`

// One branch for each table, each by its index of the order; below the oldest running transaction nothing can appear any more.
const EVENTS = `
  (select e.xid, e.id, e.campaign_id, e.at, ${IS_LISTED} as listed, 'event' as type, ${EVENT_KIND} as kind, e.work_unit_id,
     e.experiment_id, e.detail, cast(null as int) as runs, cast(null as int) as failed, cast(null as int) as agreed,
     cast(null as text[]) as experiments
   from campaign_events e join campaigns c on c.id = e.campaign_id
   where ${IS_WANTED} or e.experiment_id = any(:experiments)) and ${EVENT_IS_TOLD}
   order by e.xid, e.id limit :limit)`
const TICKS = `
  (select e.xid, e.id, e.campaign_id, e.at, ${IS_LISTED}, 'tick', null, null, null, null, e.runs, e.failed, e.agreed,
     e.experiments
   from ticks e join campaigns c on c.id = e.campaign_id
   where ${IS_WANTED} or e.experiments && cast(:experiments as text[]))
   order by e.xid, e.id limit :limit)`

const LIST = `
  select cast(p.xid as text) || '-' || p.id as cursor, p.type, p.campaign_id as "campaignId", p.at, p.listed, p.kind,
    p.work_unit_id as "workUnitId", p.experiment_id as "experimentId", p.detail, p.runs, p.failed, p.agreed, p.experiments
  from (${EVENTS} union all ${TICKS}) as p
  order by p.xid, p.id limit :limit`

const END = `
  select cast(cast(cast(pg_snapshot_xmin(s.now) as text) as bigint) - 1 as text) || '-999999999999999999' as "end",
    cast(pg_snapshot_xmax(s.now) as text) as next
  from (select pg_current_snapshot() as now) as s`

const MISSING = `
  select x.id from unnest(cast(:campaigns as text[])) as x (id) where not exists (select from campaigns c where c.id = x.id)
  union all
  select x.id from unnest(cast(:experiments as text[])) as x (id) where not exists (select from experiments e where e.id = x.id)
  union all
  select x.id from unnest(cast(:hosts as text[])) as x (id) where not exists (select from hosts h where h.id = x.id)`

const TICK_VERIFIED = `
  insert into ticks (campaign_id, at, runs, failed, agreed, experiments)
  select campaign_id, :now, 0, 0, 0, array_agg(distinct experiment_id)
  from unnest(cast(:campaigns as text[]), cast(:experiments as text[])) as x (campaign_id, experiment_id)
  group by campaign_id order by campaign_id`

// One notice for each of them, however many results there are.
const TELL_HOSTS = `
  select pg_notify('changes', topic) from (
    select 'host:' || r.host_id as topic from results r where r.id = any(:resultIds) and r.host_id is not null
    union
    select 'account:' || h.user_id from results r join hosts h on h.id = r.host_id
    where r.id = any(:resultIds) and h.user_id is not null) as t`

const FORGET = `
  delete from ticks where id in (select id from ticks where at < :before order by at limit :limit)`
