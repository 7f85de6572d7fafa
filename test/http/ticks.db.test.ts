import { afterAll, beforeAll, expect, test } from 'vitest'
import { CAMPAIGN_TICKS_MAX, TICK_SLOT_MS } from '#protocol/limits.ts'
import { CampaignTicks, TickList } from '#protocol/ticks.ts'
import { addMs, type CampaignId, type Instant, type UserId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { listTicks } from '#store/ticks.ts'
import { addUser } from '#support/builders.ts'
import { addPublished } from '#support/published.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId }

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'rosa')
})
afterAll(() => server.close())

/** A campaign with so many runs, the last of them without a metric. */
const publish = (runs: number, file = {}) =>
  addPublished(server.database.knex, server, {
    owner: owner.id,
    file,
    experiments: Array.from({ length: runs }, (_, i) => ({
      recipe: { lr: (i + 1) / 1000 },
      values: [i === runs - 1 ? Number.NaN : 2],
    })),
  })

/** Its tick as if it had been made then; the server keeps one for each transaction. */
const moveTick = (id: CampaignId, at: Instant) =>
  server.database.knex.raw('update ticks set at = ? where campaign_id = ?', [new Date(at), id])

const lead = (id: CampaignId, experimentId: string, at: Instant) =>
  inTransaction(server.database.knex, trx =>
    addCampaignEvents(
      trx,
      [{ campaignId: id, event: 'best', experimentId: experimentId as never, detail: 'it leads' }],
      at,
    ),
  )

const hour = async () => TickList.parse((await server.call('GET', '/api/v1/ticks')).json)
const minutesAgo = (minutes: number) => addMs(server.now(), -minutes * 60_000)

test('the hour has a tick for each campaign and slot, what led in it, and everything is counted', async () => {
  await enrolHost(server)
  const [old, young, unlisted] = [
    await publish(2),
    await publish(3),
    await publish(1, { visibility: 'unlisted' }),
  ]
  await moveTick(old.id, minutesAgo(61))
  await moveTick(young.id, minutesAgo(30))
  await moveTick(unlisted.id, minutesAgo(30))
  const both = await publish(4)
  // Two ticks of one campaign in one slot are one; the third, a slot later, is another.
  const slot = Math.floor(minutesAgo(10) / TICK_SLOT_MS) * TICK_SLOT_MS
  await server.database.knex.raw(
    `insert into ticks (campaign_id, at, runs, failed, agreed, experiments)
     select campaign_id, to_timestamp(?::bigint / 1000.0), 1, 0, 3, experiments from ticks where campaign_id = ?`,
    [slot + TICK_SLOT_MS, both.id],
  )
  await server.database.knex.raw(
    `insert into ticks (campaign_id, at, runs, failed, agreed, experiments)
     select campaign_id, to_timestamp(?::bigint / 1000.0), 2, 1, 2, experiments from ticks
     where campaign_id = ? and runs = 4`,
    [slot, both.id],
  )
  await server.database.knex.raw(
    'update ticks set at = to_timestamp(?::bigint / 1000.0) where campaign_id = ? and runs = 4',
    [slot + 1000, both.id],
  )
  // Noticed after the first slot's runs and before the next tick of the campaign; the other was noticed ten minutes after its runs.
  await lead(both.id, both.experiments[0]?.id ?? '', (slot + 5000) as Instant)
  await lead(young.id, young.experiments[0]?.id ?? '', minutesAgo(20))
  const view = await hour()
  expect(
    view.ticks.map(({ campaignId, runs, failed, agreed, best }) => ({
      campaignId,
      runs,
      failed,
      agreed,
      best,
    })),
  ).toEqual([
    { campaignId: young.id, runs: 3, failed: 1, agreed: 1, best: true },
    { campaignId: both.id, runs: 6, failed: 2, agreed: 2, best: true },
    { campaignId: both.id, runs: 1, failed: 0, agreed: 3, best: false },
  ])
  expect(view).toMatchObject({ runs: 10, failed: 3, hosts: 1 })
  expect(Date.parse(view.now) - Date.parse(view.since)).toBe(3600_000)
  const newest = await listTicks(server.database.knex, { since: minutesAgo(60), limit: 1 })
  expect(newest.map(({ runs, best }) => ({ runs, best }))).toEqual([{ runs: 1, best: false }])
})

test('readers within two seconds share one answer', async () => {
  const before = await hour()
  await publish(5)
  expect(await hour()).toEqual(before)
  server.advance(2_000)
  expect((await hour()).runs).toBe(before.runs + 5)
})

test('a campaign has a tick for each of its runs in order, and with many of them equal parts', async () => {
  const few = await publish(3)
  const at = (
    await server.database.knex.raw('select max(published_at) as at from corpus where campaign_id = ?', [
      few.id,
    ])
  ).rows[0].at
  await lead(few.id, few.experiments[1]?.id ?? '', (at.getTime() - 1) as Instant)
  const of = async (id: string) =>
    CampaignTicks.parse((await server.call('GET', `/api/v1/campaigns/${id}/ticks`)).json)
  const view = await of(few.id)
  expect(view.ticks.map(({ runs, failed, best }) => ({ runs, failed, best }))).toEqual([
    { runs: 1, failed: 0, best: false },
    { runs: 1, failed: 0, best: true },
    { runs: 1, failed: 1, best: false },
  ])
  expect(view).toMatchObject({ runs: 3, failed: 1 })
  const many = await publish(2 * CAMPAIGN_TICKS_MAX)
  const parts = await of(many.id)
  expect(parts.ticks.map(tick => tick.runs)).toEqual(Array(CAMPAIGN_TICKS_MAX).fill(2))
  expect(parts).toMatchObject({ runs: 2 * CAMPAIGN_TICKS_MAX, failed: 1 })
  expect(parts.ticks.map(tick => tick.at)).toEqual(parts.ticks.map(tick => tick.at).sort())
  const unknown = await server.call('GET', `/api/v1/campaigns/c_${'0'.repeat(26)}/ticks`)
  expect([unknown.status, unknown.code]).toEqual([404, 'not_found'])
})
