import { z } from 'zod'
import { TICK_SLOT_MS } from '#protocol/limits.ts'
import { CampaignId, type Instant } from '#protocol/units.ts'
import { type Executor, select, selectOne, Timestamp, toDb } from './rows.ts'
import { IS_LISTED } from './stream.ts'

const TickRow = z.object({
  campaignId: CampaignId,
  at: Timestamp,
  runs: z.int(),
  failed: z.int(),
  agreed: z.int(),
  best: z.boolean(),
})
export type TickRow = z.infer<typeof TickRow>

/** When runs of listed campaigns became public after `since`, by campaign and slot of time; the newest `limit`, oldest first. */
export const listTicks = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<TickRow[]> => select(on, TickRow, LIST, { since: toDb(since), slotMs: TICK_SLOT_MS, limit })

const TotalsRow = z.object({ runs: z.int(), failed: z.int(), hosts: z.int(), cores: z.int() })

/** Everything that became public after `since` in listed campaigns, and the hosts that were heard since then. */
export const countTicks = (on: Executor, since: Instant): Promise<z.infer<typeof TotalsRow>> =>
  selectOne(on, TotalsRow, TOTALS, { since: toDb(since) })

/** The standing public runs of a campaign in the order in which they became so, in at most `parts` equal parts. */
export const listTicksOf = (
  on: Executor,
  { campaignId, parts }: { campaignId: CampaignId; parts: number },
): Promise<TickRow[]> => select(on, TickRow, OF_CAMPAIGN, { campaignId, parts })

const SLOT = (at: string): string => `floor(extract(epoch from ${at}) * 1000 / :slotMs)`

// Events have one order with ticks: those of the hour begin about where its first tick stands. A new best is noticed a moment after
// the runs that made it, perhaps in the next slot: it is marked on the last tick before it.
const LIST = `
  with slots as (
    select t.campaign_id, ${SLOT('t.at')} as slot, max(t.at) as at, sum(t.runs) as runs, sum(t.failed) as failed,
      max(t.agreed) as agreed
    from ticks t join campaigns c on c.id = t.campaign_id
    where t.at > :since and t.runs > 0 and ${IS_LISTED}
    group by 1, 2),
  bests as materialized (
    select e.campaign_id, ${SLOT('e.at')} as slot from campaign_events e
    where e.event = 'best' and e.at > :since
      and e.xid >= (select f.xid from ticks f where f.at > :since order by f.at limit 1)),
  newest as (
    select s.*, lead(slot) over (partition by campaign_id order by slot) as next from slots s
    order by at desc limit :limit)
  select n.campaign_id as "campaignId", n.at, n.runs, n.failed, n.agreed,
    exists (select from bests b where b.campaign_id = n.campaign_id and b.slot >= n.slot and b.slot < coalesce(n.next, 'infinity'))
      as best
  from newest n order by n.at, n.campaign_id`

const TOTALS = `
  select t.runs, t.failed, h.hosts, h.cores
  from (select coalesce(sum(t.runs), 0) as runs, coalesce(sum(t.failed), 0) as failed
    from ticks t join campaigns c on c.id = t.campaign_id where t.at > :since and ${IS_LISTED}) as t
  cross join (select count(*) as hosts, coalesce(sum(cores), 0) as cores from hosts
    where last_seen_at > :since and state = 'active') as h`

const OF_CAMPAIGN = `
  with runs as (
    select published_at, status, replicas, row_number() over (order by published_at, work_unit_id) - 1 as place,
      count(*) over () as n
    from corpus where campaign_id = :campaignId and retracted_at is null),
  parts as (
    select place * :parts / greatest(n, :parts) as part, min(published_at) as first, max(published_at) as at,
      count(*) as runs, count(*) filter (where status <> 'ok') as failed, max(replicas) as agreed
    from runs group by 1),
  bests as materialized (
    select at from campaign_events where campaign_id = :campaignId and event = 'best')
  select cast(:campaignId as text) as "campaignId", p.at, p.runs, p.failed, p.agreed,
    exists (select from bests b where b.at >= p.first and b.at < coalesce(p.next, 'infinity')) as best
  from (select *, lead(first) over (order by part) as next from parts) as p order by p.part`
