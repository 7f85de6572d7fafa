import { z } from 'zod'
import { EventCursor, EventKind } from '#protocol/events.ts'
import { type CampaignId, ExperimentId, type Instant, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, Timestamp, toDb } from './rows.ts'

export type CampaignEvent = { readonly campaignId: CampaignId; readonly detail: string } & (
  | { readonly event: 'reopened' | 'overturned'; readonly workUnitId: WorkUnitId }
  | { readonly event: 'best'; readonly experimentId: ExperimentId }
  | { readonly event: 'verdict'; readonly experimentId: ExperimentId | null }
  | { readonly event: 'finished' | 'cancelled' | 'revised' | 'paused' | 'resumed' | 'note' }
)

/** Adds to the history of campaigns, in the transaction of the act itself. */
export async function addCampaignEvents(
  trx: Trx,
  events: readonly CampaignEvent[],
  now: Instant,
): Promise<void> {
  if (events.length > 0) await execute(trx, ADD, { rows: recordset(events), now: toDb(now) })
}

const EventRow = z.object({
  cursor: EventCursor,
  at: Timestamp,
  kind: EventKind,
  workUnitId: WorkUnitId.nullable(),
  experimentId: ExperimentId.nullable(),
  detail: z.string(),
})
export type EventRow = z.infer<typeof EventRow>

/** What happened in a campaign after `after`, oldest first. Nothing is ever inserted in front of what was read. */
export function listEvents(
  on: Executor,
  { campaignId, after, limit }: { campaignId: CampaignId; after: EventCursor; limit: number },
): Promise<EventRow[]> {
  const [xid = '', id = ''] = after.split('-')
  return select(on, EventRow, LIST, { campaignId, xid, id, limit })
}

const ADD = `
  insert into campaign_events (campaign_id, at, event, work_unit_id, experiment_id, detail)
  select "campaignId", :now, event, "workUnitId", "experimentId", detail
  from json_to_recordset(cast(:rows as json))
    as x("campaignId" text, event text, "workUnitId" text, "experimentId" text, detail text)`

/** The kind of an event `e`, as readers know it. */
export const EVENT_KIND = `case when e.work_unit_id is null then 'campaign.' || e.event else 'result.retracted' end`
/** Of a retraction of something that was never public nothing is told. */
export const EVENT_IS_TOLD = `(e.work_unit_id is null or exists (select from corpus c
      where c.work_unit_id = e.work_unit_id and c.retracted_at is not null))`

const XID = `case when cast(:xid as xid8) < pg_snapshot_xmax(pg_current_snapshot()) then cast(:xid as xid8) else cast('0' as xid8) end`

// Below the oldest running transaction no further event can appear. What was never public is not told here either. A cursor of before
// the database was restored may name a transaction that is still to come, and would hide all events until then: it begins anew.
const LIST = `
  select cast(e.xid as text) || '-' || e.id as cursor, e.at, e.work_unit_id as "workUnitId",
    e.experiment_id as "experimentId", e.detail, ${EVENT_KIND} as kind
  from campaign_events e
  where e.campaign_id = :campaignId and (e.xid, e.id) > (${XID}, cast(:id as bigint))
    and e.xid < pg_snapshot_xmin(pg_current_snapshot())
    and ${EVENT_IS_TOLD}
  order by e.xid, e.id limit :limit`
