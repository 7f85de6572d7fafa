import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { testMessage, webhookSecret } from '#domain/webhook.ts'
import { PAGE_ROWS_MAX, WEBHOOKS_PER_USER_MAX } from '#protocol/limits.ts'
import { type CampaignId, DeliveryId, toWire, type UserId, WebhookId } from '#protocol/units.ts'
import {
  type DeliveryList,
  type DeliveryView,
  TEST_KIND,
  WebhookBody,
  type WebhookList,
  type WebhookMade,
  type WebhookRemoved,
  type WebhookView,
} from '#protocol/webhooks.ts'
import { findCampaign } from '#store/campaigns.ts'
import { inTransaction } from '#store/database.ts'
import {
  addTest,
  type DeliveryRow,
  findWebhook,
  insertWebhook,
  listDeliveries,
  removeWebhook,
  type WebhookRow,
  webhooksOf,
} from '#store/webhooks.ts'
import { answerOnce } from './answer-once.ts'
import { requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** POST /webhooks: events of the caller's campaigns, or of one of them, are sent to an address from now on. */
export function addWebhook(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId: ownerId } = await requireScope(edge, req, 'campaign')
    const { url, campaignId = null, kinds = [] } = parse(WebhookBody, parseJson(bodyOf(req)))
    if (campaignId !== null) await assertOwn(edge, campaignId, ownerId)
    const now = edge.now()
    const id = edge.ids.webhook(now)
    const webhook = { id, ownerId, campaignId, url, kinds: [...new Set(kinds)] }
    const most = WEBHOOKS_PER_USER_MAX
    await answerOnce(edge, { req, res, userId: ownerId }, async () => async trx => {
      const row = await insertWebhook(trx, webhook, { now, most })
      if (row === undefined) throw new Refused('webhook_limit', `${most} webhooks`)
      const body: WebhookMade = { webhook: viewWebhook(row), secret: webhookSecret(edge.trust.secret, id) }
      const repeated: WebhookMade = { ...body, secret: null }
      return { status: 201, location: `/api/v1/webhooks/${id}`, body, repeated }
    })
  }
}

async function assertOwn(edge: Edge, id: CampaignId, userId: UserId): Promise<void> {
  const campaign = await findCampaign(edge.knex, id)
  if (campaign === undefined) throw new Refused('not_found', `campaign ${id}`)
  if (campaign.ownerId !== userId) throw new Refused('scope_missing', 'this campaign is another user’s')
}

/** GET /webhooks */
export function showWebhooks(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireScope(edge, req, 'campaign')
    const view: WebhookList = { webhooks: (await webhooksOf(edge.knex, userId)).map(viewWebhook) }
    res.json(view)
  }
}

/** GET /webhooks/:id */
export function showWebhook(edge: Edge): RequestHandler {
  return async (req, res) => void res.json(viewWebhook(await ownWebhook(edge, req)))
}

/** DELETE /webhooks/:id: nothing more is sent, also not what waited. */
export function dropWebhook(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id, ownerId } = await ownWebhook(edge, req)
    await removeWebhook(edge.knex, { id, ownerId })
    const view: WebhookRemoved = { removed: id }
    res.json(view)
  }
}

/** POST /webhooks/:id/test: sends it a message of the kind `webhook.test`; read the deliveries for what came of it. */
export function testWebhook(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id: webhookId } = await ownWebhook(edge, req)
    const now = edge.now()
    const test = { id: edge.ids.delivery(now), webhookId, kind: TEST_KIND }
    const body = testMessage(TEST_KIND, now, webhookId)
    const row = await inTransaction(edge.knex, trx => addTest(trx, { ...test, body }, now))
    if (row === undefined) throw new Refused('not_found', `webhook ${webhookId}`) // removed in between
    res.status(202).json(viewDelivery(row))
  }
}

const Page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
  before: DeliveryId.optional(),
})

/** GET /webhooks/:id/deliveries?before=&limit= */
export function showDeliveries(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit, before = null } = parse(Page, req.query)
    const { id: webhookId } = await ownWebhook(edge, req)
    const rows = await listDeliveries(edge.knex, { webhookId, before, limit })
    const view: DeliveryList = {
      deliveries: rows.map(viewDelivery),
      nextBefore: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
    }
    res.json(view)
  }
}

/** The webhook that the path names, if it is the caller's; others learn nothing of it. */
async function ownWebhook(edge: Edge, req: Request): Promise<WebhookRow> {
  const { userId: ownerId } = await requireScope(edge, req, 'campaign')
  const id = parse(WebhookId, req.params.id, 'not_found')
  const webhook = await findWebhook(edge.knex, { id, ownerId })
  if (webhook === undefined) throw new Refused('not_found', `webhook ${id}`)
  return webhook
}

const viewWebhook = ({ ownerId: _, createdAt, disabledAt, ...row }: WebhookRow): WebhookView => ({
  ...row,
  createdAt: toWire(createdAt),
  disabledAt: disabledAt === null ? null : toWire(disabledAt),
})

/** What its owner should know of a webhook that was given up on; nothing of another. */
export const disabledNotice = ({ id, url, disabledReason }: WebhookRow): string[] =>
  disabledReason === null
    ? []
    : [`The webhook ${id} to ${url} gets nothing more: ${disabledReason}. A test that arrives enables it.`]

const viewDelivery = ({ createdAt, attemptedAt, ...row }: DeliveryRow): DeliveryView => ({
  ...row,
  createdAt: toWire(createdAt),
  attemptedAt: attemptedAt === null ? null : toWire(attemptedAt),
})
