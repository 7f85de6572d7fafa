import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { z } from 'zod'
import {
  DeliveryList,
  DeliveryView,
  WebhookList,
  WebhookMade,
  WebhookRemoved,
  type WebhookView,
} from '#protocol/webhooks.ts'
import { ask, askBoth } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { Failure } from '../failure.ts'
import { type Context, contextOf, options } from '../options.ts'
import { verb } from '../verb.ts'

/** `xeenet webhook …`: events of campaigns, sent to an https address. */
export function webhookCommand(done: (exit: number) => void): Command {
  const webhook = new Command('webhook').description('have events of your campaigns sent to an https address')
  const subcommands = [
    verb('add', 'from now on; prints the secret that signs the messages, once', add)
      .argument('<url>')
      .option('--campaign <id>', 'of this campaign only')
      .option('--kinds <kinds...>', 'these kinds of events only'),
    verb('list', 'yours, and which were given up on', list),
    verb('test', 'send a test and wait for what comes of it', async (command, id) =>
      done(await test(command, id)),
    ).argument('<id>'),
    verb('deliveries', 'what was sent to one, newest first', deliveries)
      .argument('<id>')
      .option('--limit <n>', 'how many', '20'),
    verb('remove', 'send nothing more to it', remove).argument('<id>'),
  ]
  for (const subcommand of subcommands) webhook.addCommand(subcommand)
  return webhook
}

const pathOf = (id: string): string => `/api/v1/webhooks/${encodeURIComponent(id)}`

const AddOptions = z.object({ campaign: z.string().optional(), kinds: z.array(z.string()).optional() })

async function add(command: Command, url: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { campaign: campaignId, kinds } = options(AddOptions, command)
  const body = JSON.stringify({ url, campaignId, kinds })
  const { reply, text } = await askBoth(endpoint, WebhookMade, {
    ...{ method: 'POST', path: '/api/v1/webhooks' },
    body,
  })
  if (talk.json) return talk.data(text)
  talk.data(reply.webhook.id)
  if (reply.secret !== null) talk.data(reply.secret)
  talk.say(`Keep the secret: it is not shown again. Try it: xeenet webhook test ${reply.webhook.id}`)
}

async function list(command: Command): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { reply, text } = await askBoth(endpoint, WebhookList, { method: 'GET', path: '/api/v1/webhooks' })
  if (talk.json) return talk.data(text)
  for (const webhook of reply.webhooks) talk.data(webhookLines(webhook).join('\n'))
}

function webhookLines({ id, url, state, campaignId, kinds, disabledReason, ...rest }: WebhookView): string[] {
  const about = `${campaignId ?? 'every campaign'}  ${kinds.length === 0 ? 'every event' : kinds.join(',')}`
  const failing = rest.failures > 0 && state === 'active' ? [`  ${rest.failures} failed in a row`] : []
  const disabled = disabledReason === null ? [] : [`  given up on ${rest.disabledAt}: ${disabledReason}`]
  return [`${id}  ${state.padEnd(8)}  ${about}  ${url}`, ...failing, ...disabled]
}

const POLL_MS = 500
const POLLS_MAX = 60 // the server looks once a second, and an attempt takes at most five

async function test(command: Command, id: string): Promise<number> {
  const context = await contextOf(command)
  const { talk, endpoint } = context
  const asked = await ask(endpoint, DeliveryView, { method: 'POST', path: `${pathOf(id)}/test` })
  const delivery = await settled(context, { webhookId: id, deliveryId: asked.id })
  if (talk.json) talk.data(JSON.stringify(delivery))
  else talk.data(deliveryLine(delivery))
  return delivery.state === 'delivered' ? EXIT.ok : EXIT.failure
}

async function settled(
  { endpoint }: Context,
  { webhookId, deliveryId }: { webhookId: string; deliveryId: string },
): Promise<DeliveryView> {
  for (let poll = 1; ; poll++) {
    const path = `${pathOf(webhookId)}/deliveries`
    const { deliveries } = await ask(endpoint, DeliveryList, { method: 'GET', path })
    const delivery = deliveries.find(({ id }) => id === deliveryId)
    if (delivery === undefined)
      throw new Failure(EXIT.failure, 'not_found', { what: 'the test is no longer among the deliveries' })
    if (delivery.state !== 'pending' || poll === POLLS_MAX) return delivery
    await sleep(POLL_MS)
  }
}

async function deliveries(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { limit } = options(z.object({ limit: z.string() }), command)
  const path = `${pathOf(id)}/deliveries?${new URLSearchParams({ limit })}`
  const { reply, text } = await askBoth(endpoint, DeliveryList, { method: 'GET', path })
  if (talk.json) return talk.data(text)
  for (const delivery of reply.deliveries) talk.data(deliveryLine(delivery))
}

const deliveryLine = ({ id, kind, state, attempts, createdAt, status, error }: DeliveryView): string =>
  [
    ...[createdAt, id, kind, state, `${attempts} attempts`],
    ...(error === null ? (status === null ? [] : [`answered ${status}`]) : [error]),
  ].join('  ')

async function remove(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { reply, text } = await askBoth(endpoint, WebhookRemoved, { method: 'DELETE', path: pathOf(id) })
  talk.data(talk.json ? text : `removed ${reply.removed}`)
}
