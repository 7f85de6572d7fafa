import { z } from 'zod'
import { TICK_SLOT_MS } from '#protocol/limits.ts'
import { CampaignId, type Instant } from '#protocol/units.ts'
import { type Executor, select, selectOne, Timestamp, toDb } from './rows.ts'
import { IS_LISTED } from './stream.ts'

export const TickRow = z.object({
  at: Timestamp,
  runs: z.int(),
  failed: z.int(),
  agreed: z.int(),
  best: z.boolean(),
})
export type TickRow = z.infer<typeof TickRow>

/** When runs of listed campaigns became public after `since`, by slot of time, oldest first. */
export const listTicks = (on: Executor, since: Instant): Promise<TickRow[]> =>
  select(on, TickRow, OF_ALL, { since: toDb(since), slotMs: TICK_SLOT_MS })

/** The same of each of these campaigns. */
export async function listTicksOfEach(
  on: Executor,
  campaigns: readonly CampaignId[],
  since: Instant,
): Promise<ReadonlyMap<CampaignId, readonly TickRow[]>> {
  const row = TickRow.extend({ campaignId: CampaignId })
  const rows = await select(on, row, OF_EACH, { since: toDb(since), slotMs: TICK_SLOT_MS, campaigns })
  return Map.groupBy(rows, tick => tick.campaignId)
}

const HostsRow = z.object({ hosts: z.int(), cores: z.int() })

/** Hosts that were heard after `since`. */
export const countHeard = (on: Executor, since: Instant): Promise<z.infer<typeof HostsRow>> =>
  selectOne(on, HostsRow, HEARD, { since: toDb(since) })

/** The standing public runs of a campaign in the order in which they became so, in at most `parts` equal parts. */
export const listTicksOf = (
  on: Executor,
  { campaignId, parts }: { campaignId: CampaignId; parts: number },
): Promise<TickRow[]> => select(on, TickRow, OF_CAMPAIGN, { campaignId, parts })

/** An expression: in which slot of `:slotMs` an instant lies. */
export const SLOT = (at: string): string =>
  `date_bin(make_interval(secs => :slotMs / 1000.0), ${at}, to_timestamp(0))`

// Events have one order with ticks: those of the hour begin about where its first tick stands. A new best is noticed a moment after
// the runs that made it, perhaps in the next slot: it is marked on the last tick before it.
const hourBy = (key: string, wanted: string): string => `
  with slots as (
    select ${key} as key, ${SLOT('e.at')} as slot, max(e.at) as at, sum(e.runs) as runs, sum(e.failed) as failed,
      max(e.agreed) as agreed
    from ticks e join campaigns c on c.id = e.campaign_id
    where e.at > :since and e.runs > 0 and ${wanted}
    group by 1, 2),
  bests as materialized (
    select ${key} as key, ${SLOT('e.at')} as slot from campaign_events e join campaigns c on c.id = e.campaign_id
    where e.event = 'best' and e.at > :since and ${wanted}
      and e.xid >= (select f.xid from ticks f where f.at > :since order by f.at limit 1))
  select n.key as "campaignId", n.at, n.runs, n.failed, n.agreed,
    exists (select from bests b where b.key = n.key and b.slot >= n.slot and b.slot < coalesce(n.next, 'infinity')) as best
  from (select *, lead(slot) over (partition by key order by slot) as next from slots) as n order by n.at`
const OF_ALL = hourBy(`''`, IS_LISTED)
const OF_EACH = hourBy('e.campaign_id', 'e.campaign_id = any(:campaigns)')

const HEARD = `
  select count(*) as hosts, coalesce(sum(cores), 0) as cores from hosts
  where last_seen_at > :since and state = 'active'`

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
  select p.at, p.runs, p.failed, p.agreed,
    exists (select from bests b where b.at >= p.first and b.at < coalesce(p.next, 'infinity')) as best
  from (select *, lead(first) over (order by part) as next from parts) as p order by p.part`
