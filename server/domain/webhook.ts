import { createHmac } from 'node:crypto'
import { addMs, type CampaignId, type Instant, toWire, type WebhookId } from '#protocol/units.ts'

/** The secret of a webhook, in the form of Standard Webhooks. Derived, not stored: a copy of the database signs nothing. */
export const webhookSecret = (serverSecret: string | Uint8Array, id: WebhookId): string =>
  `whsec_${createHmac('sha256', serverSecret).update(`webhook|${id}`).digest('base64')}`

export interface ToldEvent {
  readonly kind: string
  readonly at: Instant
  readonly campaignId: CampaignId
  readonly cursor: string
  readonly workUnitId: string | null
  readonly experimentId: string | null
  readonly detail: string
}

/** The body of a message, as Standard Webhooks recommends it: what happened, when, and where to read on. */
export const messageOf = ({ kind, at, ...data }: ToldEvent): string =>
  JSON.stringify({ type: kind, timestamp: toWire(at), data })

/** The body of a test. */
export const testMessage = (kind: string, at: Instant, webhookId: WebhookId): string =>
  JSON.stringify({ type: kind, timestamp: toWire(at), data: { webhookId } })

const MINUTE = 60_000
const HOUR = 60 * MINUTE
// The schedule that Standard Webhooks recommends ("retry schedule" of its specification): three days in all.
const RETRY_MS = [...[5_000, 5 * MINUTE, 30 * MINUTE], ...[2, 5, 10, 14, 20, 24].map(hours => hours * HOUR)]

/** What came of one attempt to deliver a message. */
export type Attempt =
  | { readonly type: 'answered'; readonly status: number }
  | { readonly type: 'refused'; readonly reason: string } // this end would not send it there
  | { readonly type: 'broken'; readonly reason: string }

export interface AttemptFacts {
  readonly isTest: boolean
  /** Failed attempts in a row before this one. */
  readonly failures: number
  readonly attempt: Attempt
  readonly now: Instant
}

export interface AttemptDecision {
  readonly delivery: 'delivered' | 'failed' | 'pending'
  readonly error: string | null
  readonly hook:
    | { readonly type: 'go_on' } // the next message is due; a disabled webhook is enabled
    | { readonly type: 'as_it_was' }
    | { readonly type: 'wait'; readonly until: Instant }
    | { readonly type: 'disable'; readonly reason: string }
}

const GONE = 410

/**
 * What an attempt means. A message is tried until it arrives: messages keep their order, so one that is refused holds
 * those behind it. Ten failures in a row, or the answer 410, disable the webhook. A test is tried once, and one that
 * arrives enables the webhook.
 */
export function afterAttempt({ isTest, failures, attempt, now }: AttemptFacts): AttemptDecision {
  const error = errorOf(attempt)
  if (error === null) return { delivery: 'delivered', error, hook: { type: 'go_on' } }
  if (isTest) return { delivery: 'failed', error, hook: { type: 'as_it_was' } }
  if (attempt.type === 'answered' && attempt.status === GONE)
    return { delivery: 'pending', error, hook: { type: 'disable', reason: 'the receiver answered 410 Gone' } }
  const delay = RETRY_MS[failures]
  if (delay === undefined) {
    const reason = `${RETRY_MS.length + 1} attempts failed in a row; the last: ${error}`
    return { delivery: 'pending', error, hook: { type: 'disable', reason } }
  }
  return { delivery: 'pending', error, hook: { type: 'wait', until: addMs(now, delay) } }
}

function errorOf(attempt: Attempt): string | null {
  if (attempt.type !== 'answered') return attempt.reason
  const { status } = attempt
  if (status >= 200 && status < 300) return null
  if (status >= 300 && status < 400) return `answered ${status}: redirects are not followed`
  return `answered ${status}`
}
