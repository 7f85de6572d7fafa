import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { DETAIL_CHARS_MAX, WAITERS_PER_ADDRESS_MAX } from '#protocol/limits.ts'
import { CampaignId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { type Agent, agentOf } from '#support/agent.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

let server: TestServer
let agent: Agent
let id: CampaignId
let count = 0

beforeAll(async () => {
  server = await startServer()
  agent = await agentOf(server.url)
})
afterAll(async () => {
  await agent.close()
  await server.close()
})
beforeEach(async () => {
  const { token } = await addUser(server.database.knex, `asks-${++count}`, { milli: 1000 })
  id = CampaignId.parse((await submitted(server, token)).split('/').at(-1))
})

const statusOf = async (message: object, signal?: AbortSignal): Promise<number> => {
  const response = await fetch(new URL('/mcp', server.url), {
    ...{ method: 'POST', body: JSON.stringify(message), signal: signal ?? null },
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  })
  await response.text()
  return response.status
}
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

test('so many calls of one address are under way at once; who hangs up leaves its place', async () => {
  const waiting = {
    ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
    params: { name: 'xee_wait', arguments: { campaign_id: id, timeout_s: 50 } },
  }
  const hangUp = new AbortController()
  // One more than may wait: whichever comes last is refused, at once.
  const calls = Array.from({ length: WAITERS_PER_ADDRESS_MAX + 1 }, () => statusOf(waiting, hangUp.signal))
  expect(await Promise.race(calls)).toBe(429)
  hangUp.abort()
  await Promise.allSettled(calls)
  let status = 429
  while (status === 429) status = await statusOf(LIST)
  expect(status).toBe(200)
})

test('a batch of messages is refused: each might wait for a minute', async () => {
  expect(await statusOf([LIST])).toBe(400)
})

test('events that do not fit one answer come in the next: none is passed over', async () => {
  const told = Array.from({ length: 20 }, (_, i) => `${i} `.padEnd(DETAIL_CHARS_MAX, '.'))
  const events = told.map(detail => ({ campaignId: id, event: 'note', detail }) as const)
  await inTransaction(server.database.knex, trx => addCampaignEvents(trx, events, server.now()))
  const heard: string[] = []
  for (let after = '0-0'; heard.length < told.length; ) {
    const { data } = await agent.use('xee_wait', { campaign_id: id, after, timeout_s: 50 })
    heard.push(...data.events.map((event: { untrusted: { detail: string } }) => event.untrusted.detail))
    after = data.nextAfter
  }
  expect(heard).toEqual(told)
})
