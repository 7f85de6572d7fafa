import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { EventList, WaitReply } from '#protocol/events.ts'
import { WAITERS_PER_ADDRESS_MAX } from '#protocol/limits.ts'
import { CampaignId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

let server: TestServer
let path: string
let id: CampaignId
let cursor: string
let count = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  const { token } = await addUser(server.database.knex, `waiter-${++count}`, { milli: 1000 })
  path = await submitted(server, token)
  id = CampaignId.parse(path.split('/').at(-1))
  cursor = EventList.parse((await server.call('GET', `${path}/events`)).json).nextAfter
})

const wait = (query = '', on = server) => on.call('GET', `${path}/wait?cursor=${cursor}${query}`)
const happen = (detail: string) =>
  inTransaction(server.database.knex, trx =>
    addCampaignEvents(trx, [{ campaignId: id, event: 'cancelled', detail }], server.now()),
  )
const seated = async (waiters: number, on = server): Promise<void> => {
  while (on.events.subscribers < waiters) await new Promise(resolve => setImmediate(resolve))
}
const details = (json: unknown) => WaitReply.parse(json).events.map(({ detail }) => detail)

test('what happened before is told at once, what happens while one waits when it does, and nothing twice', async () => {
  await happen('first')
  const first = WaitReply.parse((await wait('&timeout=60')).json)
  expect(first).toMatchObject({ campaignId: id, state: 'running', events: [{ detail: 'first' }] })
  cursor = first.nextAfter
  const waiting = wait('&timeout=60')
  await seated(1)
  await happen('second')
  expect(details((await waiting).json)).toEqual(['second'])
})

test('of nothing it says so when the time is over, with the cursor to go on from', async () => {
  const reply = WaitReply.parse((await wait('&timeout=0')).json)
  expect(reply).toMatchObject({ events: [], nextAfter: cursor, state: 'running' })
  expect((await wait('&timeout=0.0012345')).status).toBe(200)
  for (const timeout of ['61', '-1', 'soon'])
    expect((await wait(`&timeout=${timeout}`)).code).toBe('bad_request')
  expect((await server.call('GET', `${path}/wait?cursor=x`)).code).toBe('bad_request')
})

test('nothing is lost when the connection that listens is cut', async () => {
  const waiting = wait('&timeout=60')
  await seated(1)
  const { rows } = await server.database.knex.raw(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'xeenet events' and datname = current_database()`,
  )
  expect(rows.length).toBeLessThanOrEqual(1)
  await happen('while it was cut')
  expect(details((await waiting).json)).toEqual(['while it was cut'])
})

test('so many of one address wait at once; who hangs up leaves its place', async () => {
  const hangUp = new AbortController()
  const url = new URL(`${path}/wait?cursor=${cursor}&timeout=60`, server.url)
  const waiting = Array.from({ length: WAITERS_PER_ADDRESS_MAX }, () =>
    fetch(url, { signal: hangUp.signal }).catch(() => undefined),
  )
  await seated(WAITERS_PER_ADDRESS_MAX)
  const refused = await wait('&timeout=60')
  expect([refused.status, refused.code]).toEqual([429, 'rate_limited'])
  hangUp.abort()
  await Promise.all(waiting)
  let reply = await wait('&timeout=0')
  while (reply.status === 429) reply = await wait('&timeout=0') // a hang-up is heard a moment later
  expect(reply.status).toBe(200)
})

test('a server that stops answers those who wait, and another process goes on', async () => {
  const other = await startServer({}, server)
  const waiting = wait('&timeout=60', other)
  await seated(1, other)
  await other.events.close()
  expect(WaitReply.parse((await waiting).json)).toMatchObject({ events: [], nextAfter: cursor })
  const next = wait('&timeout=60')
  await happen('later')
  expect(details((await next).json)).toEqual(['later'])
  await other.close()
})
