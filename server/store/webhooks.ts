import { z } from 'zod'
import { CampaignId, DeliveryId, type Instant, UserId, WebhookId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const WebhookRow = z.object({
  id: WebhookId,
  ownerId: UserId,
  campaignId: CampaignId.nullable(),
  url: z.string(),
  kinds: z.array(z.string()),
  state: z.enum(['active', 'disabled']),
  createdAt: Timestamp,
  failures: z.int(),
  disabledAt: Timestamp.nullable(),
  disabledReason: z.string().nullable(),
})
export type WebhookRow = z.infer<typeof WebhookRow>

export interface NewWebhook {
  readonly id: WebhookId
  readonly ownerId: UserId
  readonly campaignId: CampaignId | null
  readonly url: string
  readonly kinds: readonly string[]
}

const COLUMNS = `id, owner_id as "ownerId", campaign_id as "campaignId", url, kinds, state, created_at as "createdAt",
  failures, disabled_at as "disabledAt", disabled_reason as "disabledReason"`

// With its owner locked: of two calls one counts what the other made.
const LOCK_OWNER = `select id from users where id = :ownerId for update`
const INSERT = `
  insert into webhooks (id, owner_id, campaign_id, url, kinds, created_at)
  select :id, :ownerId, :campaignId, :url, :kinds, :now
  where (select count(*) from webhooks where owner_id = :ownerId) < :most
  returning ${COLUMNS}`

/** Adds a webhook, unless its owner has `most` already. */
export async function insertWebhook(
  trx: Trx,
  { kinds, ...webhook }: NewWebhook,
  { now, most }: { now: Instant; most: number },
): Promise<WebhookRow | undefined> {
  await execute(trx, LOCK_OWNER, { ownerId: webhook.ownerId })
  return selectFirst(trx, WebhookRow, INSERT, { ...webhook, kinds, most, now: toDb(now) })
}

const OF_OWNER = `select ${COLUMNS} from webhooks where owner_id = :ownerId order by id`

export const webhooksOf = (on: Executor, ownerId: UserId): Promise<WebhookRow[]> =>
  select(on, WebhookRow, OF_OWNER, { ownerId })

const FIND = `select ${COLUMNS} from webhooks where id = :id and owner_id = :ownerId`

/** A webhook, if it is this user's. */
export const findWebhook = (
  on: Executor,
  which: { id: WebhookId; ownerId: UserId },
): Promise<WebhookRow | undefined> => selectFirst(on, WebhookRow, FIND, which)

const REMOVE = `delete from webhooks where id = :id and owner_id = :ownerId`

/** Removes a webhook of this user, with its deliveries; false when there is none. */
export const removeWebhook = async (
  on: Executor,
  which: { id: WebhookId; ownerId: UserId },
): Promise<boolean> => (await execute(on, REMOVE, which)) === 1

const DeliveryRow = z.object({
  id: DeliveryId,
  kind: z.string(),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.int(),
  createdAt: Timestamp,
  attemptedAt: Timestamp.nullable(),
  status: z.int().nullable(),
  error: z.string().nullable(),
})
export type DeliveryRow = z.infer<typeof DeliveryRow>

const DELIVERY_COLUMNS = `id, kind, state, attempts, created_at as "createdAt", attempted_at as "attemptedAt", status, error`
const DELIVERIES = `
  select ${DELIVERY_COLUMNS} from webhook_deliveries
  where webhook_id = :webhookId and (cast(:before as text) is null or id < :before) order by id desc limit :limit`

/** What was sent to a webhook, newest first. */
export const listDeliveries = (
  on: Executor,
  page: { webhookId: WebhookId; before: string | null; limit: number },
): Promise<DeliveryRow[]> => select(on, DeliveryRow, DELIVERIES, page)

const ADD_TEST = `
  insert into webhook_deliveries (id, webhook_id, kind, body, created_at)
  select :id, :webhookId, :kind, :body, :now
  where not exists (select from webhook_deliveries
    where webhook_id = :webhookId and event_id is null and state = 'pending')
  returning ${DELIVERY_COLUMNS}`
const WAITING_TEST = `
  select ${DELIVERY_COLUMNS} from webhook_deliveries
  where webhook_id = :webhookId and event_id is null and state = 'pending'`
const LOCK = `select id from webhooks where id = :webhookId for update`

/** Has a test sent, which overtakes what waits; the answer is the one that waits already, if there is one. */
export async function addTest(
  trx: Trx,
  test: { id: DeliveryId; webhookId: WebhookId; kind: string; body: string },
  now: Instant,
): Promise<DeliveryRow | undefined> {
  await execute(trx, LOCK, { webhookId: test.webhookId })
  const added = await selectFirst(trx, DeliveryRow, ADD_TEST, { ...test, now: toDb(now) })
  return added ?? selectFirst(trx, DeliveryRow, WAITING_TEST, { webhookId: test.webhookId })
}
