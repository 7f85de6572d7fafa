import { afterAll, beforeAll, expect, test } from 'vitest'
import { EventList } from '#protocol/events.ts'
import type { CampaignId } from '#protocol/units.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: string; token: string }
let path: string

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada', { milli: 1_000_000 })
  const body = {
    ...{ title: 'Which learning rate?', kernel: 'tiny@0', data: 'fox@1' },
    ...{ metric: { name: 'val_bpb', goal: 'minimize' }, sampler: { name: 'grid' } },
    budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
    space: { lr: { log: [0.001, 0.1], points: 4 } },
  }
  const { json } = await server.call('POST', '/api/v1/campaigns', { token: owner.token, body })
  path = `/api/v1/campaigns/${(json as { id: string }).id}`
})
afterAll(() => server.close())

const read = async (query = '') => EventList.parse((await server.call('GET', `${path}/events${query}`)).json)

test('a cancellation is told once, and a reader goes on where it stopped', async () => {
  expect(await read()).toMatchObject({ events: [], nextAfter: '0-0' })
  for (let call = 0; call < 2; call++) await server.call('POST', `${path}/cancel`, { token: owner.token })
  const { events, nextAfter } = await read()
  expect(events).toMatchObject([
    { kind: 'campaign.cancelled', workUnitId: null, detail: 'its owner ended it', cursor: nextAfter },
  ])
  expect(await read(`?after=${nextAfter}`)).toMatchObject({ events: [], nextAfter })
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
