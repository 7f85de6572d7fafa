import { z } from 'zod'
import { type Instant, WorkUnitId } from '#protocol/units.ts'
import { type Executor, execute, select, selectOne, toDb } from './rows.ts'

/** Volunteers' proven hosts seen since then that called in vain the last time, counted up to `limit`. */
export async function countIdle(on: Executor, since: Instant, limit: number): Promise<number> {
  return (await selectOne(on, z.object({ idle: z.int() }), IDLE, { since: toDb(since), limit })).idle
}

/** Whether any campaign has something to hand out that a volunteer may take alone. */
export const isWorkLeft = async (on: Executor): Promise<boolean> =>
  (await selectOne(on, z.object({ left: z.boolean() }), WORK_LEFT)).left

const TailRow = z.object({
  typicalMs: z.number(),
  samples: z.int(),
  units: z.int(),
  hurried: z.int(),
  computing: z.array(z.object({ id: WorkUnitId, isVerifiable: z.boolean(), sinceMs: z.number() })),
})
export type TailRow = z.infer<typeof TailRow>

interface TailTerms {
  readonly now: Instant
  /** A verifier that was not heard since then is not there. */
  readonly since: Instant
  /** Leases since then are nobody's concern. */
  readonly leasedBefore: Instant
  /** At most so many runs say how long one takes, and at most so many units of a campaign are read. */
  readonly samples: number
  readonly perCampaign: number
}

/** Running campaigns of which something is computed for long, and nothing is left for a proven host. */
export function listTails(
  on: Executor,
  { now, since, leasedBefore, ...limits }: TailTerms,
): Promise<TailRow[]> {
  const moments = { now: toDb(now), since: toDb(since), leasedBefore: toDb(leasedBefore) }
  return select(on, TailRow, TAILS, { ...moments, ...limits })
}

/** Locked open units are hurried from now on. */
export const hurryWorkUnits = (on: Executor, ids: readonly WorkUnitId[], now: Instant): Promise<number> =>
  execute(on, HURRY, { ids, now: toDb(now) })

const KeptRow = z.object({ id: WorkUnitId, isVerifiable: z.boolean() })

/** Open units with an unsent replica that is kept for newcomers, while none was heard since then. */
export const listKeptForNobody = (
  on: Executor,
  since: Instant,
  limit: number,
): Promise<z.infer<typeof KeptRow>[]> => select(on, KeptRow, KEPT_FOR_NOBODY, { since: toDb(since), limit })

/** Cores that verifiers seen since then, who called in vain the last time, have left beside what they hold and what waits for them. */
export async function verifierRoom(on: Executor, since: Instant): Promise<number> {
  return (await selectOne(on, z.object({ room: z.int() }), VERIFIER_ROOM, { since: toDb(since) })).room
}

/** What was kept for newcomers of these locked units is for proven hosts from now on; gives the units. */
export async function passToProven(on: Executor, ids: readonly WorkUnitId[]): Promise<WorkUnitId[]> {
  return (await select(on, IdRow, PASS_TO_PROVEN, { ids })).map(row => row.id)
}

const IdRow = z.object({ id: WorkUnitId })

const IDLE = `
  select count(*) as idle from (
    select from hosts h where h.last_seen_at > :since and h.idle_since is not null and h.state = 'active' and not h.trusted
      and exists (select from streaks s where s.host_id = h.id and s.count >= 10) limit :limit) as found`

const FOR_ONE_ALONE = `r.state = 'unsent' and r.lane in ('anyone', 'proven')`

const WORK_LEFT = `select exists (select from results r where ${FOR_ONE_ALONE}) as "left"`

// Of campaign p everything that volunteers may take alone is handed out.
const NOTHING_LEFT = `
  not exists (select from live_units u join results r on r.work_unit_id = u.work_unit_id
    where u.campaign_id = p.id and ${FOR_ONE_ALONE})`

const IDLE_VERIFIER = `
  h.trusted and h.state = 'active' and h.last_seen_at > :since and h.idle_since is not null`

const IS_VERIFIABLE = `exists (select from hosts h where ${IDLE_VERIFIER} and w.engine_class = any(h.engine_classes))`

const TAILS = `
  select typical.ms as "typicalMs", typical.samples, p.experiments_created * coalesce(cast(p.file->'replicate'->>'seeds' as int), 1)
      as units,
    (select count(*) from work_units h where h.campaign_id = p.id and h.hurried_at is not null
      and exists (select from results r where r.work_unit_id = h.id and r.sent_at >= h.hurried_at)) as hurried,
    slow.computing
  from campaigns p
  cross join lateral (
    select jsonb_agg(jsonb_build_object('id', s.id, 'isVerifiable', s.verifiable,
        'sinceMs', extract(epoch from (:now - s.sent_at)) * 1000)) as computing
    from (
      select w.id, ${IS_VERIFIABLE} as verifiable, min(r.sent_at) as sent_at
      from live_units u join work_units w on w.id = u.work_unit_id join results r on r.work_unit_id = w.id
      where u.campaign_id = p.id and w.state = 'open' and w.hurried_at is null and not w.canary and not w.disputed
        and w.wanted_check <> 'verifier' and r.state = 'in_progress' and r.kind = 'replica' and not r.trusted
        and r.sent_at <= :leasedBefore
      group by w.id order by min(r.sent_at) limit :perCampaign) as s) as slow
  cross join lateral (
    select percentile_cont(0.5) within group (order by extract(epoch from sample.took)) * 1000 as ms, count(*) as samples
    from (
      select r.reported_at - r.sent_at as took from work_units u join results r on r.work_unit_id = u.id
      where u.campaign_id = p.id and u.rung = 3 and r.outcome = 'success' and r.kind = 'replica' limit :samples) as sample
    ) as typical
  where p.state = 'running' and p.paused_at is null and slow.computing is not null and typical.samples > 0
    and ${NOTHING_LEFT}`

const HURRY = `
  update work_units set hurried_at = :now where id = any(:ids) and state = 'open' and hurried_at is null`

// A canary is for nobody but newcomers.
const KEPT_FOR_NOBODY = `
  select w.id, ${NOTHING_LEFT} and ${IS_VERIFIABLE} as "isVerifiable"
  from results r join work_units w on w.id = r.work_unit_id join campaigns p on p.id = w.campaign_id
  where r.state = 'unsent' and r.lane = 'unproven' and not w.canary and w.state = 'open'
    and w.wanted_check <> 'verifier' and not exists (select from hosts h where not h.trusted and h.state = 'active' and h.last_seen_at > :since
      and not exists (select from streaks s where s.host_id = h.id and s.count >= 10))
  order by r.created_at, r.id limit :limit`

// A check whose priority is below that of its unit is held back (store/record-checks.ts).
const VERIFIER_ROOM = `
  select cast(coalesce(sum(greatest(0, h.cores - (
      select count(*) from results r where r.host_id = h.id and r.state = 'in_progress'))), 0) as int) - (
    select count(*)::int from results r join work_units w on w.id = r.work_unit_id
    where r.state = 'unsent' and r.lane = 'verifier' and r.priority >= w.priority) as room
  from hosts h where ${IDLE_VERIFIER}`

const PASS_TO_PROVEN = `
  update results r set lane = 'proven' from work_units w
  where w.id = any(:ids) and r.work_unit_id = w.id and r.state = 'unsent' and r.lane = 'unproven' and not w.canary
    and w.state = 'open'
  returning w.id`
