import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Attempt, webhookSecret } from '#domain/webhook.ts'
import type { JobDeps } from '#jobs/deps.ts'
import { forgetTraces } from '#jobs/forget.ts'
import { type Message, webhookPoster } from '#jobs/webhook-post.ts'
import { runWebhooks, sweepWebhooks } from '#jobs/webhooks.ts'
import { type CampaignId, instant, type UserId, WebhookId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addTest, insertWebhook, listDeliveries, removeWebhook, webhooksOf } from '#store/webhooks.ts'
import { addCampaign, addUser, testIds } from '#support/builders.ts'
import { type Lifecycle, runJobs, startLifecycle } from '#support/lifecycle.ts'
import { startReceiver } from '#support/receiver.ts'

const HOUR = 3600_000

let life: Lifecycle
let owner: UserId
let campaignId: CampaignId
let sent: Message[]
let answer: (message: Message) => Promise<Attempt>
let deps: JobDeps

beforeAll(async () => {
  life = await startLifecycle()
})
afterAll(() => life.close())
beforeEach(async () => {
  owner = (await addUser(life.knex, `owner ${testIds.note(life.now())}`)).id
  campaignId = (await addCampaign(life.knex, life.stock, owner, [])).id
  sent = []
  answer = async () => ({ type: 'answered', status: 200 })
  const postWebhook = (message: Message) => {
    sent.push(message)
    return answer(message)
  }
  deps = { ...life.deps, postWebhook }
})

async function hook(more: { campaignId?: CampaignId; kinds?: string[] } = {}): Promise<WebhookId> {
  const made = { id: testIds.webhook(life.now()), ownerId: owner, campaignId: null, kinds: [], ...more }
  const url = 'https://hooks.example.test/in'
  const row = await inTransaction(life.knex, trx =>
    insertWebhook(trx, { ...made, url }, { now: life.now(), most: 20 }),
  )
  if (row === undefined) throw new Error('not inserted')
  return row.id
}

const happen = (detail: string, event: 'finished' | 'cancelled' = 'finished', id = campaignId) =>
  inTransaction(life.knex, trx => addCampaignEvents(trx, [{ campaignId: id, event, detail }], life.now()))

/** One look of the sweeper and what it asks for. */
async function turn(): Promise<void> {
  await sweepWebhooks(deps)
  const jobs = await life.boss.fetch<{ id: string }>('webhook', { batchSize: 100 })
  await runWebhooks(
    deps,
    jobs.map(({ data }) => WebhookId.parse(data.id)),
  )
  if (jobs.length > 0)
    await life.boss.complete(
      'webhook',
      jobs.map(({ id }) => id),
    )
}

// A transaction of any database of the cluster delays what is told, so those of other test files do.
const WAIT = { timeout: 20_000, interval: 20 }
const told = () => sent.map(({ body }) => JSON.parse(body).data.detail)
const toldByNow = async () => {
  await turn()
  return told()
}
const untilTold = (details: string[]) => expect.poll(toldByNow, WAIT).toEqual(details)
const row = async () => (await webhooksOf(life.knex, owner))[0]
const deliveries = (webhookId: WebhookId) =>
  listDeliveries(life.knex, { webhookId, before: null, limit: 100 })

test('events are sent in order, each once, and listed', async () => {
  await happen('before it was made')
  await untilPast()
  const id = await hook()
  for (const detail of ['one', 'two', 'three']) await happen(detail)
  await untilTold(['one', 'two', 'three'])
  await turn()
  expect(told()).toEqual(['one', 'two', 'three'])
  expect((await deliveries(id)).map(({ state, attempts, status }) => [state, attempts, status])).toEqual([
    ...[1, 2, 3].map(() => ['delivered', 1, 200]),
  ])
})

/** Until no transaction is older than what happened so far: what comes later is told apart from it. */
async function untilPast(): Promise<void> {
  const other = await hook({ campaignId })
  await happen('a mark')
  await expect.poll(toldByNow, WAIT).toContain('a mark')
  await removeWebhook(life.knex, { id: other, ownerId: owner })
  sent = []
}

test('a webhook hears of its campaigns and its kinds only', async () => {
  const other = (await addCampaign(life.knex, life.stock, owner, [])).id
  const stranger = await addUser(life.knex, `stranger ${testIds.note(life.now())}`)
  const foreign = (await addCampaign(life.knex, life.stock, stranger.id, [])).id
  await hook({ campaignId: other, kinds: ['campaign.cancelled'] })
  await happen('of a stranger', 'cancelled', foreign)
  await happen('of another campaign', 'cancelled')
  await happen('of another kind', 'finished', other)
  await happen('this one', 'cancelled', other)
  await untilTold(['this one'])
})

test('an event whose transaction began before the webhook was made and ended after is told', async () => {
  const late = await life.knex.transaction()
  await addCampaignEvents(late, [{ campaignId, event: 'finished', detail: 'late' }], life.now())
  await hook()
  await happen('after')
  await turn()
  expect(sent).toEqual([])
  await late.commit()
  await untilTold(['late', 'after'])
})

test('who dies while sending is waited for, and then the same message is sent again', async () => {
  const id = await hook()
  await happen('one')
  answer = () => Promise.reject(new Error('killed'))
  await expect.poll(() => turn().then(() => 'alive', String), WAIT).toBe('Error: killed')
  answer = async () => ({ type: 'answered', status: 204 })
  await turn()
  expect(sent.length).toBe(1) // perhaps it only is slow
  life.advance(HOUR)
  await untilTold(['one', 'one'])
  expect(sent[1]).toMatchObject({ id: sent[0]?.id, body: sent[0]?.body })
  expect(await deliveries(id)).toMatchObject([{ state: 'delivered', attempts: 1 }])
})

test('what fails is repeated later and later and holds what follows; then the webhook is disabled', async () => {
  const id = await hook()
  await inTransaction(life.knex, trx => {
    const event = { campaignId, event: 'finished' } as const
    const both = ['one', 'two'].map(detail => ({ ...event, detail }))
    return addCampaignEvents(trx, both, life.now()) // one is never told of without the other
  })
  answer = async () => ({ type: 'answered', status: 503 })
  await untilTold(['one'])
  await turn()
  expect(sent.length).toBe(1) // not yet
  for (let attempt = 2; attempt <= 10; attempt++) {
    life.advance(24 * HOUR)
    await turn()
    expect(told()).toEqual(Array.from({ length: attempt }, () => 'one'))
  }
  const reason = '10 attempts failed in a row; the last: answered 503'
  expect(await row()).toMatchObject({ state: 'disabled', failures: 10, disabledReason: reason })
  expect(new Set(sent.map(message => message.id)).size).toBe(1)

  life.advance(24 * HOUR)
  await turn()
  expect(sent.length).toBe(10) // given up on

  sent = []
  answer = async () => ({ type: 'answered', status: 200 })
  await askTest(id)
  await turn()
  expect(sent.map(({ body }) => JSON.parse(body).type)).toEqual([
    ...['webhook.test', 'campaign.finished', 'campaign.finished'],
  ])
  expect(await row()).toMatchObject({ state: 'active', failures: 0, disabledReason: null })
})

const askTest = (webhookId: WebhookId) =>
  inTransaction(life.knex, trx => {
    const test = { id: testIds.delivery(life.now()), webhookId, kind: 'webhook.test' }
    return addTest(trx, { ...test, body: '{"type":"webhook.test"}' }, life.now())
  })

test('a test is tried once, and two that wait are one', async () => {
  const id = await hook()
  answer = async () => ({ type: 'answered', status: 410 })
  const [first, second] = [await askTest(id), await askTest(id)]
  expect(second?.id).toBe(first?.id)
  await turn()
  await turn()
  expect(sent.length).toBe(1)
  expect(await deliveries(id)).toMatchObject([{ state: 'failed', attempts: 1, error: 'answered 410' }])
  expect(await row()).toMatchObject({ state: 'active', failures: 0 })
})

test('a webhook that is removed while a message is on its way is gone', async () => {
  const id = await hook()
  await happen('one')
  await happen('two')
  answer = async () => {
    await removeWebhook(life.knex, { id, ownerId: owner })
    return { type: 'answered', status: 200 }
  }
  await untilTold(['one'])
  await turn()
  expect([told(), await row()]).toEqual([['one'], undefined])
})

test('what was sent is forgotten after thirty days, what waits is not', async () => {
  const id = await hook()
  await happen('one')
  await untilTold(['one'])
  answer = async () => ({ type: 'broken', reason: 'nobody there' })
  await happen('two')
  await untilTold(['one', 'two'])
  life.advance(31 * 24 * HOUR)
  await forgetTraces(deps)
  expect(await deliveries(id)).toMatchObject([{ state: 'pending' }])
})

test('the whole way: pg-boss, https, and a receiver that checks the signature', async () => {
  const receiver = await startReceiver('hooks.example.test')
  const resolve = async () => ['127.0.0.1']
  deps = {
    ...{ ...life.deps, now: () => instant(Date.now()) }, // the library that verifies has a clock of its own
    postWebhook: webhookPoster({ networks: ['127.0.0.0/8'], ca: receiver.ca, resolve }),
  }
  const made = { id: testIds.webhook(life.now()), ownerId: owner, campaignId, kinds: [] }
  const url = `https://hooks.example.test:${receiver.port}/in`
  await inTransaction(life.knex, trx => insertWebhook(trx, { ...made, url }, { now: life.now(), most: 20 }))
  await happen('arrived')
  const arrived = async () => {
    await sweepWebhooks(deps)
    await runJobs({ ...life, deps }, ['webhook'])
    return receiver.received.length
  }
  await expect.poll(arrived, WAIT).toBe(1)
  const [{ headers, body } = { headers: {}, body: '' }] = receiver.received
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  expect(new Webhook(webhookSecret(life.deps.secret, made.id)).verify(body, signed)).toMatchObject({
    ...{ type: 'campaign.finished', data: { campaignId, detail: 'arrived' } },
  })
  await receiver.close()
})
