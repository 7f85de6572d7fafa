import { z } from 'zod'
import { EventCursor } from '#protocol/events.ts'
import { CampaignId, DeliveryId, type Instant, WebhookId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { EVENT_IS_TOLD, EVENT_KIND } from './events.ts'
import { type Executor, execute, recordset, select, selectFirst, Timestamp, toDb } from './rows.ts'

const EventForHook = z.object({
  webhookId: WebhookId.nullable(),
  eventId: z.string(),
  cursor: EventCursor,
  at: Timestamp,
  kind: z.string(),
  campaignId: CampaignId,
  workUnitId: z.string().nullable(),
  experimentId: z.string().nullable(),
  detail: z.string(),
})
export type EventForHook = z.infer<typeof EventForHook>

// One at a time, so that deliveries are numbered in the order of events; a second one has nothing to do.
const LOCK_CURSOR = `select cast(xid as text) as xid, cast(event_id as text) as "eventId" from webhook_cursor
  for update skip locked`
const Cursor = z.object({ xid: z.string(), eventId: z.string() })

// Events in the order of transactions, as readers of one campaign see them, each with the active webhooks that want it.
const NEXT_EVENTS = `
  with page as (
    select * from campaign_events e
    where (e.xid, e.id) > (cast(:xid as xid8), cast(:eventId as bigint))
      and e.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by e.xid, e.id limit :limit)
  select w.id as "webhookId", cast(e.id as text) as "eventId", cast(e.xid as text) || '-' || e.id as cursor,
    e.at, ${EVENT_KIND} as kind, e.campaign_id as "campaignId", e.work_unit_id as "workUnitId",
    e.experiment_id as "experimentId", e.detail
  from page e
  join campaigns ca on ca.id = e.campaign_id
  left join webhooks w on w.owner_id = ca.owner_id and (w.campaign_id is null or w.campaign_id = e.campaign_id)
    and w.state = 'active' and w.since <= e.xid and (cardinality(w.kinds) = 0 or ${EVENT_KIND} = any(w.kinds))
    and ${EVENT_IS_TOLD}
  order by e.xid, e.id, w.id`

const MOVE_CURSOR = `update webhook_cursor set xid = cast(:xid as xid8), event_id = :eventId`

/**
 * Events that nobody collected yet, in order, once for each webhook that wants them; the cursor moves past them in this
 * transaction. At most `limit` events; none while another process collects.
 */
export async function collectEvents(trx: Trx, limit: number): Promise<EventForHook[]> {
  const cursor = await selectFirst(trx, Cursor, LOCK_CURSOR)
  if (cursor === undefined) return []
  const rows = await select(trx, EventForHook, NEXT_EVENTS, { ...cursor, limit })
  const last = rows.at(-1)
  if (last === undefined) return []
  const [xid = ''] = last.cursor.split('-')
  await execute(trx, MOVE_CURSOR, { xid, eventId: last.eventId })
  return rows.filter(row => row.webhookId !== null)
}

export interface NewDelivery {
  readonly id: DeliveryId
  readonly webhookId: WebhookId
  readonly eventId: string
  readonly kind: string
  readonly body: string
}

const ADD = `
  insert into webhook_deliveries (id, webhook_id, event_id, kind, body, created_at)
  select d.id, d."webhookId", cast(d."eventId" as bigint), d.kind, d.body, :now
  from rows from (json_to_recordset(cast(:rows as json))
    as (id text, "webhookId" text, "eventId" text, kind text, body text)) with ordinality
    as d (id, "webhookId", "eventId", kind, body, place)
  where exists (select from webhooks w where w.id = d."webhookId")
  order by d.place
  on conflict (webhook_id, event_id) do nothing`

/** Adds messages in order. */
export async function addDeliveries(
  trx: Trx,
  deliveries: readonly NewDelivery[],
  now: Instant,
): Promise<void> {
  if (deliveries.length > 0) await execute(trx, ADD, { rows: recordset(deliveries), now: toDb(now) })
}

// A test is sent whatever the state of its webhook; everything else only to an active one that does not wait.
const SENDABLE = `d.state = 'pending'
  and (d.event_id is null or (w.state = 'active' and (w.retry_at is null or w.retry_at <= :now)))`
const FREE = `(w.taken_until is null or w.taken_until <= :now)`

const DUE = `
  select w.id from webhooks w where ${FREE}
    and exists (select from webhook_deliveries d where d.webhook_id = w.id and ${SENDABLE})
  order by w.id limit :limit`

/** Webhooks that have something to send and nobody who sends it. */
export const listDueWebhooks = async (on: Executor, now: Instant, limit: number): Promise<WebhookId[]> =>
  (await select(on, z.object({ id: WebhookId }), DUE, { now: toDb(now), limit })).map(({ id }) => id)

const TAKE = `update webhooks w set taken_until = :until where id = :id and ${FREE}`

/** Takes a webhook until a moment after which its taker counts as dead; false when somebody has it. */
export const takeWebhook = async (
  on: Executor,
  { id, now, until }: { id: WebhookId; now: Instant; until: Instant },
): Promise<boolean> => (await execute(on, TAKE, { id, now: toDb(now), until: toDb(until) })) === 1

const RELEASE = `update webhooks set taken_until = null where id = :id and taken_until = :until`

/** Lets go of it, unless somebody else took it meanwhile. */
export const releaseWebhook = async (
  on: Executor,
  { id, until }: { id: WebhookId; until: Instant },
): Promise<void> => void (await execute(on, RELEASE, { id, until: toDb(until) }))

const Outgoing = z.object({
  id: DeliveryId,
  webhookId: WebhookId,
  url: z.string(),
  body: z.string(),
  isTest: z.boolean(),
})
export type Outgoing = z.infer<typeof Outgoing>

const NEXT = `
  select d.id, w.id as "webhookId", w.url, d.body, d.event_id is null as "isTest"
  from webhook_deliveries d join webhooks w on w.id = d.webhook_id
  where w.id = :id and ${SENDABLE} order by d.event_id is not null, d.number limit 1`

/** What is to be sent to a webhook now: a test first, otherwise the oldest. */
export const nextDelivery = (on: Executor, id: WebhookId, now: Instant): Promise<Outgoing | undefined> =>
  selectFirst(on, Outgoing, NEXT, { id, now: toDb(now) })

const LOCK_FAILURES = `select failures from webhooks where id = :id for update`

/** Locks a webhook; its failures in a row, or undefined when it was removed. */
export const lockFailures = async (trx: Trx, id: WebhookId): Promise<number | undefined> =>
  (await selectFirst(trx, z.object({ failures: z.int() }), LOCK_FAILURES, { id }))?.failures

const ATTEMPTED = `
  update webhook_deliveries set attempts = attempts + 1, attempted_at = :now, state = cast(:state as delivery_state),
    status = cast(:status as integer), error = :error
  where id = :id and state = 'pending'`

/** Writes down an attempt; false when somebody else brought the message to its end. */
export const noteAttempt = async (
  trx: Trx,
  attempt: {
    id: DeliveryId
    state: 'pending' | 'delivered' | 'failed'
    status: number | null
    error: string | null
  },
  now: Instant,
): Promise<boolean> => (await execute(trx, ATTEMPTED, { ...attempt, now: toDb(now) })) === 1

const GO_ON = `
  update webhooks set state = 'active', failures = 0, retry_at = null, disabled_at = null, disabled_reason = null
  where id = :id`
const WAIT = `update webhooks set failures = failures + 1, retry_at = :until where id = :id`
const DISABLE = `
  update webhooks set state = 'disabled', failures = failures + 1, retry_at = null, disabled_at = :now,
    disabled_reason = :reason
  where id = :id`

/** The locked webhook goes on with its next message, and is active. */
export const goOn = (trx: Trx, id: WebhookId): Promise<number> => execute(trx, GO_ON, { id })

/** The locked webhook has failed once more and waits. */
export const waitUntil = (trx: Trx, id: WebhookId, until: Instant): Promise<number> =>
  execute(trx, WAIT, { id, until: toDb(until) })

/** The locked webhook is given up on: nothing but tests is sent. */
export const disableWebhook = (
  trx: Trx,
  { id, reason, now }: { id: WebhookId; reason: string; now: Instant },
): Promise<number> => execute(trx, DISABLE, { id, reason, now: toDb(now) })

const FORGET = `
  delete from webhook_deliveries where id in (select id from webhook_deliveries
    where state <> 'pending' and created_at < :before order by created_at limit :limit)`

/** Forgets what was delivered, or failed, before a moment. */
export const forgetDeliveries = (on: Executor, which: { before: Instant; limit: number }): Promise<number> =>
  execute(on, FORGET, { before: toDb(which.before), limit: which.limit })
