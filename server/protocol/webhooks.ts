import { z } from 'zod'
import { EventKind } from './events.ts'
import { WEBHOOK_URL_CHARS_MAX } from './limits.ts'
import { CampaignId, DeliveryId, WebhookId, WireInstant } from './units.ts'

/** Where events are sent: https, no user name in it; which addresses a name may stand for is checked at each delivery. */
export const WebhookUrl = z
  .string()
  .max(WEBHOOK_URL_CHARS_MAX)
  .refine(isTarget, 'expected an https address without user name, password and #fragment')

function isTarget(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.protocol === 'https:' && url.username + url.password + url.hash === ''
}

/** POST /api/v1/webhooks */
export const WebhookBody = z.strictObject({
  url: WebhookUrl,
  /** Left out: every campaign of the caller, also later ones. */
  campaignId: CampaignId.optional(),
  /** Left out: every kind of event, also later ones. */
  kinds: z.array(EventKind).min(1).max(EventKind.options.length).optional(),
})
export type WebhookBody = z.infer<typeof WebhookBody>

export const WebhookView = z.object({
  id: WebhookId,
  url: z.string(),
  campaignId: CampaignId.nullable(),
  /** Empty: every kind. */
  kinds: z.array(z.string()),
  /** Disabled: it was given up on. A test that arrives enables it again. */
  state: z.enum(['active', 'disabled']),
  createdAt: WireInstant,
  /** Failed attempts in a row at the message that is due. */
  failures: z.int(),
  disabledAt: WireInstant.nullable(),
  disabledReason: z.string().nullable(),
})
export type WebhookView = z.infer<typeof WebhookView>

/** The answer to POST: the only place that shows the secret under which messages are signed. */
export const WebhookMade = z.object({
  webhook: WebhookView,
  /** Null when the call is repeated under its idempotency key: kept answers hold no secret. Remove the webhook and make another. */
  secret: z.string().startsWith('whsec_').nullable(),
})
export type WebhookMade = z.infer<typeof WebhookMade>

/** GET /api/v1/webhooks, oldest first. */
export const WebhookList = z.object({ webhooks: z.array(WebhookView) })
export type WebhookList = z.infer<typeof WebhookList>

/** One message to one webhook. */
export const DeliveryView = z.object({
  /** The header webhook-id: the same at every attempt. */
  id: DeliveryId,
  kind: z.string(),
  state: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.int(),
  createdAt: WireInstant,
  attemptedAt: WireInstant.nullable(),
  /** HTTP status of the last answer; null: there was none. */
  status: z.int().nullable(),
  error: z.string().nullable(),
})
export type DeliveryView = z.infer<typeof DeliveryView>

/** GET /api/v1/webhooks/:id/deliveries, newest first. */
export const DeliveryList = z.object({
  deliveries: z.array(DeliveryView),
  /** Give it as `before` to read on; null at the end. */
  nextBefore: DeliveryId.nullable(),
})
export type DeliveryList = z.infer<typeof DeliveryList>

/** DELETE /api/v1/webhooks/:id */
export const WebhookRemoved = z.object({ removed: WebhookId })
export type WebhookRemoved = z.infer<typeof WebhookRemoved>

/** The kind of a message that somebody asked for, to see whether it arrives. */
export const TEST_KIND = 'webhook.test'
