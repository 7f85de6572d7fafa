import { afterAll, beforeAll, expect, test } from 'vitest'
import { HomeView } from '#protocol/home.ts'
import { CAMPAIGN_TICKS_MAX, TICK_SLOT_MS } from '#protocol/limits.ts'
import { CampaignTicks, TickList } from '#protocol/ticks.ts'
import { addMs, type CampaignId, type Instant, type UserId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { listTicksOfEach } from '#store/ticks.ts'
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

test('the hour has a tick for each slot, what led in it, and everything is counted', async () => {
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
  const shown = ({ runs, failed, agreed, best }: (typeof view.ticks)[number]) => ({
    runs,
    failed,
    agreed,
    best,
  })
  expect(view.ticks.map(shown)).toEqual([
    { runs: 3, failed: 1, agreed: 1, best: true },
    { runs: 6, failed: 2, agreed: 2, best: true },
    { runs: 1, failed: 0, agreed: 3, best: false },
  ])
  expect(view).toMatchObject({ runs: 10, failed: 3, hosts: 1 })
  expect(Date.parse(view.now) - Date.parse(view.since)).toBe(3600_000)
  const each = await listTicksOfEach(server.database.knex, [young.id, both.id, old.id], minutesAgo(60))
  expect([...each].map(([id, ticks]) => [id, ticks.map(({ runs, best }) => [runs, best])])).toEqual([
    [young.id, [[3, true]]],
    [
      both.id,
      [
        [6, true],
        [1, false],
      ],
    ],
  ])
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

const DAY_MS = 24 * 3600_000
const addTest = (
  campaignId: CampaignId,
  number: number,
  [incumbent, challenger]: readonly string[],
  { state = 'promoted', told, at = minutesAgo(60) }: { state?: string; told?: string; at?: Instant } = {},
) =>
  server.database.knex.raw(
    `insert into campaign_tests (campaign_id, number, incumbent_id, challenger_id, first_seed, pairs_asked, deviation,
       state, told, gains, lower_bound, upper_bound, started_at, decided_at)
     values (?, ?, ?, ?, 1, 20, 0.01, ?, ?, '{0.02,0.04}', -2.9, 2.9, ?, ?)`,
    [campaignId, number, incumbent ?? '', challenger ?? '', state, told ?? state, new Date(at), new Date(at)],
  )

test('the first page shows what runs, what was found and may be told, and who gave', async () => {
  const { knex } = server.database
  await knex.raw('update campaigns set state = ?, ended_at = ?, ended_by = ?', [
    'finished',
    new Date(0),
    'runs',
  ])
  const experiments = [
    { recipe: { lr: 0.001 }, values: [2, 3] },
    { recipe: { lr: 0.002 }, values: [2.5] },
    { recipe: { lr: 0.003 }, values: [2.6] },
    { recipe: { lr: 0.004 }, values: [1], unverified: true },
  ]
  const add = (file = {}) => addPublished(knex, server, { owner: owner.id, file, experiments })
  const [quiet, ended, lively, unlisted] = [
    await add(),
    await add(),
    await add(),
    await add({ visibility: 'unlisted' }),
  ]
  await moveTick(quiet.id, minutesAgo(50))
  await knex.raw(
    `update campaigns set state = 'finished', settled_at = ended_at, ended_at = ?, ended_by = 'runs' where id = ?`,
    [new Date(minutesAgo(30)), ended.id],
  )
  await lead(lively.id, lively.experiments[0]?.id ?? '', minutesAgo(5))
  const [a = '', b = '', c = '', unseen = ''] = lively.experiments.map(one => one.id)
  await addTest(lively.id, 1, [a, b])
  await addTest(lively.id, 2, [a, c], { state: 'rejected', at: minutesAgo(40) })
  await addTest(lively.id, 3, [b, c], { told: 'running' })
  await addTest(lively.id, 4, [a, unseen])
  await addTest(lively.id, 5, [c, b], { at: addMs(server.now(), -8 * DAY_MS) })
  await addTest(
    unlisted.id,
    1,
    unlisted.experiments.map(one => one.id),
  )
  await knex.raw(
    `insert into contributors
     select party, 'all', now(), now(), valid, valid, valid, credit, credit, credit, 0, 0, 0, 0, 0, 0, null
     from (values (?, 7, 7000), ('anonymous', 3, 3000)) as x (party, valid, credit)`,
    [`user:${owner.id}`],
  )
  const view = HomeView.parse((await server.call('GET', '/api/v1/home')).json)
  expect(view.running).toBe(2)
  expect(view.campaigns.slice(0, 2).map(({ id, best, bestSince }) => [id, best?.mean, bestSince])).toEqual([
    [lively.id, 2.5, new Date(minutesAgo(5)).toISOString()],
    [quiet.id, 2.5, null],
  ])
  expect(view.campaigns[1]?.ticks.map(({ runs, failed }) => [runs, failed])).toEqual([[5, 0]])
  expect(view.campaigns.map(({ id }) => id)).not.toContain(unlisted.id)
  expect(view.found.map(one => [one.kind, one.at])).toEqual([
    ['finished', new Date(minutesAgo(30)).toISOString()],
    ['rejected', new Date(minutesAgo(40)).toISOString()],
    ['promoted', new Date(minutesAgo(60)).toISOString()],
  ])
  const [, , promoted] = view.found
  expect(promoted).toMatchObject({
    ...{ campaignId: lively.id, challenger: b, metric: 'val_bpb' },
    recipes: { incumbent: { lr: 0.001 }, challenger: { lr: 0.002 } },
    gain: { n: 2, mean: expect.closeTo(0.03, 9) },
  })
  expect(view.thanks).toEqual({ people: [{ name: 'rosa', valid: 7, creditMilli: 7000 }], anonymous: 3 })
})
