import { type Attempt, afterAttempt, messageOf, webhookSecret } from '#domain/webhook.ts'
import { WEBHOOK_MS_MAX } from '#protocol/limits.ts'
import { addMs, type Instant, type WebhookId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import {
  addDeliveries,
  collectEvents,
  disableWebhook,
  type EventForHook,
  goOn,
  listDueWebhooks,
  lockFailures,
  nextDelivery,
  noteAttempt,
  type Outgoing,
  releaseWebhook,
  takeWebhook,
  waitUntil,
} from '#store/webhook-deliveries.ts'
import type { JobDeps } from './deps.ts'

const EVENTS_PER_SWEEP = 1_000
const WEBHOOKS_PER_SWEEP = 1_000

/**
 * Makes messages of the events that nobody collected yet, and asks for a look at the webhooks that have something to send.
 * The events' cursor moves in the transaction that adds the messages. Returns how many webhooks it asked for.
 */
export async function sweepWebhooks(
  deps: Pick<JobDeps, 'knex' | 'now' | 'ids' | 'enqueue'>,
): Promise<number> {
  const now = deps.now()
  await inTransaction(deps.knex, async trx => {
    const events = await collectEvents(trx, EVENTS_PER_SWEEP)
    await addDeliveries(trx, events.flatMap(messageFor(deps, now)), now)
  })
  return inTransaction(deps.knex, async trx => {
    const due = await listDueWebhooks(trx, now, WEBHOOKS_PER_SWEEP)
    await deps.enqueue(trx, 'webhook', due)
    return due.length
  })
}

const messageFor =
  ({ ids }: Pick<JobDeps, 'ids'>, now: Instant) =>
  ({ webhookId, eventId, ...told }: EventForHook) =>
    webhookId === null
      ? []
      : [{ id: ids.delivery(now), webhookId, eventId, kind: told.kind, body: messageOf(told) }]

type Deps = Pick<JobDeps, 'knex' | 'now' | 'secret' | 'log' | 'postWebhook'>

/** Sends what these webhooks have to send, all beside each other: a slow receiver delays nobody else by more than a few messages. */
export async function runWebhooks(deps: Deps, ids: readonly WebhookId[]): Promise<void> {
  const outcomes = await Promise.allSettled(ids.map(id => sendDue(deps, id)))
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

const MESSAGES_PER_TURN = 8
// Every message of a turn at its slowest, and as long again for the database.
const TAKEN_MS = 2 * MESSAGES_PER_TURN * WEBHOOK_MS_MAX

/** One message after the other, outside of any transaction; whoever is killed in between sends the last one again later. */
async function sendDue(deps: Deps, id: WebhookId): Promise<void> {
  const now = deps.now()
  const until = addMs(now, TAKEN_MS)
  if (!(await takeWebhook(deps.knex, { id, now, until }))) return
  for (let sent = 0; sent < MESSAGES_PER_TURN; sent++) {
    const outgoing = await nextDelivery(deps.knex, id, deps.now())
    if (outgoing === undefined) break
    const { url, body } = outgoing
    const secret = webhookSecret(deps.secret, id)
    const attempt = await deps.postWebhook({ url, id: outgoing.id, body, secret, at: deps.now() })
    await writeDown(deps, outgoing, attempt)
  }
  await releaseWebhook(deps.knex, { id, until })
}

async function writeDown(
  { knex, now: clock, log }: Deps,
  { id, webhookId, isTest }: Outgoing,
  attempt: Attempt,
): Promise<void> {
  const now = clock()
  const disabled = await inTransaction(knex, async trx => {
    const failures = await lockFailures(trx, webhookId)
    if (failures === undefined) return null // removed meanwhile
    const { delivery, error, hook } = afterAttempt({ isTest, failures, attempt, now })
    const status = attempt.type === 'answered' ? attempt.status : null
    if (!(await noteAttempt(trx, { id, state: delivery, status, error }, now))) return null
    if (hook.type === 'go_on') await goOn(trx, webhookId)
    if (hook.type === 'wait') await waitUntil(trx, webhookId, hook.until)
    if (hook.type !== 'disable') return null
    await disableWebhook(trx, { id: webhookId, reason: hook.reason, now })
    return hook.reason
  })
  if (disabled !== null) log.warn({ webhookId, reason: disabled }, 'a webhook was disabled')
}
