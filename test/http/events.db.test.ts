import { afterAll, beforeAll, expect, test } from 'vitest'
import { EventList } from '#protocol/events.ts'
import type { CampaignId } from '#protocol/units.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { submitted } from '#support/submitted.ts'

let server: TestServer
let owner: { id: string; token: string }
let path: string

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada', { milli: 1_000_000 })
  path = await submitted(server, owner.token)
})
afterAll(() => server.close())

const read = async (query = '') => EventList.parse((await server.call('GET', `${path}/events${query}`)).json)

// A transaction of any database of the cluster delays what is told, so those of other test files do.
const WAIT = { timeout: 10_000, interval: 20 }

test('a cancellation is told once, and a reader goes on where it stopped', async () => {
  expect(await read()).toMatchObject({ events: [], nextAfter: '0-0' })
  for (let call = 0; call < 2; call++) await server.call('POST', `${path}/cancel`, { token: owner.token })
  await expect.poll(async () => (await read()).events.length, WAIT).toBeGreaterThan(0)
  const { events, nextAfter } = await read()
  expect(events).toMatchObject([
    { kind: 'campaign.cancelled', workUnitId: null, detail: 'its owner ended it', cursor: nextAfter },
  ])
  expect(await read(`?after=${nextAfter}`)).toMatchObject({ events: [], nextAfter })
})

test('a cursor of before the database was restored, which names what is still to come, hides nothing', async () => {
  const all = await read()
  expect(await read('?after=999999999999-1')).toEqual(all)
  expect(await read(`?after=${all.nextAfter}`)).toMatchObject({ events: [] })
})

test('what commits late is not put in front of what was read', async () => {
  const { nextAfter } = await read()
  const campaignId = path.split('/').at(-1) as CampaignId
  const event = (detail: string) => [{ campaignId, event: 'finished' as const, detail }]
  const { knex } = server.database
  const late = await knex.transaction()
  const now = server.now()
  await addCampaignEvents(late, event('began first'), now)
  await knex.transaction(trx => addCampaignEvents(trx, event('ended first'), now))
  expect((await read(`?after=${nextAfter}`)).events).toEqual([])
  await late.commit()
  await expect.poll(async () => (await read(`?after=${nextAfter}`)).events.length, WAIT).toBe(2)
  const { events } = await read(`?after=${nextAfter}`)
  expect(events.map(({ detail }) => detail)).toEqual(['began first', 'ended first'])
})

test.each(['?after=1', '?after=x-1', `?after=${'9'.repeat(19)}-1`, '?limit=0'])(
  '%s is refused',
  async query => {
    expect(await server.call('GET', `${path}/events${query}`)).toMatchObject({
      status: 400,
      code: 'bad_request',
    })
  },
)
