import { afterAll, beforeAll, expect, test } from 'vitest'
import { MeView } from '#protocol/campaign.ts'
import { WEBHOOKS_PER_USER_MAX } from '#protocol/limits.ts'
import { DeliveryList, DeliveryView, WebhookList, WebhookMade } from '#protocol/webhooks.ts'
import { inTransaction } from '#store/database.ts'
import { disableWebhook } from '#store/webhook-deliveries.ts'
import { addToken, addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

const API = '/api/v1/webhooks'
const URL = 'https://hooks.example.test/in'

let server: TestServer
let ada: { id: string; token: string }
let eve: { id: string; token: string }
let campaignId: string

beforeAll(async () => {
  server = await startServer()
  ada = await addUser(server.database.knex, 'ada', { milli: 1_000_000 })
  eve = await addUser(server.database.knex, 'eve')
  campaignId = (await submitted(server, ada.token)).split('/').at(-1) ?? ''
})
afterAll(() => server.close())

const add = (body: object, token = ada.token) => server.call('POST', API, { token, body })
const made = async (body: object = { url: URL }, token = ada.token) =>
  WebhookMade.parse((await add(body, token)).json)

test('a webhook is added, shown without its secret, tested, and removed', async () => {
  const { webhook, secret } = await made({ url: URL, campaignId, kinds: ['campaign.finished'] })
  expect(webhook).toMatchObject({ url: URL, campaignId, kinds: ['campaign.finished'], state: 'active' })
  const { token } = ada
  const list = await server.call('GET', API, { token })
  expect(WebhookList.parse(list.json).webhooks).toEqual([webhook])
  expect(list.text).not.toContain(secret)
  expect((await server.call('GET', `${API}/${webhook.id}`, { token })).json).toEqual(webhook)

  const asked = await server.call('POST', `${API}/${webhook.id}/test`, { token })
  const delivery = DeliveryView.parse(asked.json)
  expect([asked.status, delivery.state, delivery.kind]).toEqual([202, 'pending', 'webhook.test'])
  const deliveries = await server.call('GET', `${API}/${webhook.id}/deliveries?limit=1`, { token })
  expect(DeliveryList.parse(deliveries.json)).toEqual({ deliveries: [delivery], nextBefore: delivery.id })

  for (const status of [200, 404])
    expect((await server.call('DELETE', `${API}/${webhook.id}`, { token })).status).toBe(status)
})

test.each([
  ['http', { url: 'http://hooks.example.test/' }],
  ['a user name', { url: 'https://me@hooks.example.test/' }],
  ['a password', { url: 'https://:secret@hooks.example.test/' }],
  ['a fragment', { url: `${URL}#x` }],
  ['no address', { url: 'hooks' }],
  ['a long address', { url: `https://${'a'.repeat(2_000)}.test` }],
  ['an unknown kind', { url: URL, kinds: ['campaign.exploded'] }],
  ['no kind', { url: URL, kinds: [] }],
  ['an unknown field', { url: URL, secret: 'mine' }],
])('%s is refused', async (_what, body) => {
  expect(await add(body)).toMatchObject({ status: 400, code: 'bad_request' })
})

test('campaigns and webhooks of others are out of reach', async () => {
  expect(await add({ url: URL, campaignId }, eve.token)).toMatchObject({ status: 403, code: 'scope_missing' })
  const unknown = campaignId.replace(/.$/, 'z')
  expect(await add({ url: URL, campaignId: unknown })).toMatchObject({ status: 404 })
  const { id } = (await made()).webhook
  const calls: [string, string][] = [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/test'],
    ['GET', '/deliveries'],
  ]
  for (const [method, path] of calls) {
    const reply = await server.call(method, `${API}/${id}${path}`, { token: eve.token })
    expect(reply).toMatchObject({ status: 404, code: 'not_found' })
  }
  const weak = await addToken(server.database.knex, ada.id as never, { scopes: ['enrol'] })
  expect(await add({ url: URL }, weak)).toMatchObject({ status: 403, code: 'scope_missing' })
  expect(await server.call('GET', API)).toMatchObject({ status: 401 })
})

test('an account has a bounded number of them, also when all are added at once', async () => {
  const greedy = await addUser(server.database.knex, 'greedy')
  const calls = Array.from({ length: WEBHOOKS_PER_USER_MAX + 3 }, () => add({ url: URL }, greedy.token))
  const statuses = (await Promise.all(calls)).map(({ status }) => status).sort()
  expect(statuses).toEqual([...Array(WEBHOOKS_PER_USER_MAX).fill(201), 409, 409, 409])
})

test('who owns a webhook that was given up on is told so, and forgets it with the account', async () => {
  const bob = await addUser(server.database.knex, 'bob')
  const { id } = (await made({ url: URL }, bob.token)).webhook
  const reason = '10 attempts failed in a row'
  await inTransaction(server.database.knex, trx => disableWebhook(trx, { id, reason, now: server.now() }))
  const me = MeView.parse((await server.call('GET', '/api/v1/me', { token: bob.token })).json)
  expect(me.notices).toEqual([
    `The webhook ${id} to ${URL} gets nothing more: ${reason}. A test that arrives enables it.`,
  ])
  const weak = await addToken(server.database.knex, bob.id as never, { scopes: ['enrol'] })
  expect((await server.call('GET', '/api/v1/me', { token: weak })).text).not.toContain(URL)
  expect((await server.call('DELETE', '/api/v1/me', { token: bob.token })).status).toBe(200)
  const { rows } = await server.database.knex.raw('select id from webhooks where id = ?', [id])
  expect(rows).toEqual([])
})
