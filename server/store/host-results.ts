import { z } from 'zod'
import { HostResult } from '#protocol/host-results.ts'
import { CampaignId, type HostId, type Instant, type ResultId } from '#protocol/units.ts'
import { IS_VESTED } from './provisional.ts'
import { type Executor, select, Timestamp, toDb } from './rows.ts'
import { IS_LISTED } from './stream.ts'
import { SLOT, TickRow } from './ticks.ts'

const Row = HostResult.omit({ campaign: true }).extend({
  campaignId: CampaignId,
  title: z.string(),
  sentAt: Timestamp,
})
export type HostResultRow = z.infer<typeof Row>

interface Wanted {
  readonly hostId: HostId
  /** Whether the host or its user asks; who else does is not told of runs under embargo. */
  readonly own: boolean
  readonly after: ResultId | null
  readonly limit: number
}

/** Results that a host was given, the latest first. */
export const listHostResults = (on: Executor, wanted: Wanted): Promise<HostResultRow[]> =>
  select(on, Row, LIST, { ...wanted })

/** What a host reported of what it was given after `since`, as everybody may know it, oldest first. */
export const listHostTicks = (
  on: Executor,
  { hostId, since, slotMs }: { hostId: HostId; since: Instant; slotMs: number },
): Promise<TickRow[]> => select(on, TickRow, TICKS, { hostId, since: toDb(since), slotMs })

const IS_PUBLIC = `w.published_at is not null and ${IS_LISTED}`

// What it holds and what is over, each in the order of its index (store/results.ts): a host may have a million.
const listOf = (state: 'over' | 'in_progress'): string => `(
  select r.id, w.experiment_id as "experimentId", w.campaign_id as "campaignId", c.title, r.state, r.outcome, r.verdict, r.late,
    r.fraction, r.sent_at as "sentAt", cast(extract(epoch from r.reported_at - r.sent_at) * 1000 as double precision) as "tookMs",
    r.granted_milli as "grantedMilli", ${IS_VESTED} as vested
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  where r.host_id = :hostId and r.state = '${state}' and (:own or ${IS_PUBLIC})
    and (cast(:after as text) is null
      or (r.sent_at, r.id) < (select a.sent_at, a.id from results a where a.id = :after and a.host_id = :hostId))
  order by r.sent_at desc, r.id desc limit :limit)`
const LIST = `
  select * from (${listOf('over')} union all ${listOf('in_progress')}) as given order by "sentAt" desc, id desc limit :limit`

const TICKS = `
  select max(r.reported_at) as at, count(*) as runs, count(*) filter (where r.verdict is distinct from 'valid') as failed,
    coalesce(max(k.replicas), 0) as agreed, bool_or(i.result_id is not null) as best
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  left join corpus k on k.work_unit_id = w.id and k.retracted_at is null left join impacts i on i.result_id = r.id
  where r.host_id = :hostId and r.state = 'over' and r.sent_at > :since and r.reported_at is not null and ${IS_PUBLIC}
  group by ${SLOT('r.reported_at')} order by 1`
