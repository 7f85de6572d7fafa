import type { RequestHandler } from 'express'
import { bytesUpTo } from './body.ts'
import { type Methods, SMALL_BODY_BYTES } from './campaign-routes.ts'
import type { Edge } from './edge.ts'
import * as webhooks from './webhooks.ts'

/** Webhooks of users, below the address `at`. */
export function webhookRoutes(edge: Edge, at: string, anonymous: RequestHandler): Record<string, Methods> {
  const small = bytesUpTo(SMALL_BODY_BYTES)
  return {
    [`${at}`]: {
      get: [webhooks.showWebhooks(edge)],
      post: [anonymous, small, webhooks.addWebhook(edge)],
    },
    [`${at}/:id`]: {
      get: [webhooks.showWebhook(edge)],
      delete: [anonymous, webhooks.dropWebhook(edge)],
    },
    [`${at}/:id/test`]: { post: [anonymous, small, webhooks.testWebhook(edge)] },
    [`${at}/:id/deliveries`]: { get: [webhooks.showDeliveries(edge)] },
  }
}
