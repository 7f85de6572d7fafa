import type { Operation } from './operation.ts'

/** Events of campaigns, sent to addresses that their owners name. */
export const WEBHOOK_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/v1/webhooks', security: 'user', body: 'WebhookBody' },
    ...{ summary: 'Have events sent to an https address', reply: 'WebhookMade', status: 201 },
    headers: ['idempotency-key'],
  },
  {
    ...{ method: 'get', path: '/api/v1/webhooks', security: 'user', reply: 'WebhookList' },
    summary: 'Your webhooks, oldest first',
  },
  {
    ...{ method: 'get', path: '/api/v1/webhooks/{id}', security: 'user', reply: 'WebhookView' },
    summary: 'A webhook of yours',
  },
  {
    ...{ method: 'delete', path: '/api/v1/webhooks/{id}', security: 'user', reply: 'WebhookRemoved' },
    summary: 'Remove a webhook, with what it has not delivered',
  },
  {
    ...{ method: 'post', path: '/api/v1/webhooks/{id}/test', security: 'user', reply: 'DeliveryView' },
    ...{ summary: 'Send it a test, also while it is disabled', status: 202 },
  },
  {
    ...{ method: 'get', path: '/api/v1/webhooks/{id}/deliveries', security: 'user', reply: 'DeliveryList' },
    ...{ summary: 'What was sent to it and what came of it, newest first', query: ['limit', 'before'] },
  },
]
