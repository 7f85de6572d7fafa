import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CampaignList, CampaignView } from '#protocol/campaign.ts'
import { CAMPAIGNS_OPEN_MAX } from '#protocol/limits.ts'
import { RevisionList, RevisionView } from '#protocol/revisions.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let rich: { id: string; token: string }
let count = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  server.woken.campaigns.length = 0
  rich = await addUser(server.database.knex, `owner-${++count}`, { milli: 1000 })
})

const FILE = {
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
  baseline: false,
  ...{ space: { lr: { log: [0.001, 0.1], points: 50 } }, sampler: { name: 'grid' } },
}
const call = (method: string, path: string, body?: unknown, token = rich.token) =>
  server.call(method, `/api/v1/campaigns${path}`, { token, ...(body === undefined ? {} : { body }) })
const submit = async (changes: object = {}) =>
  CampaignView.parse((await call('POST', '', { ...FILE, ...changes })).json)
const balance = async (): Promise<number> =>
  ((await server.call('GET', '/api/v1/me', { token: rich.token })).json as { balanceMilli: number })
    .balanceMilli

test('a campaign is paused, goes on and is stopped by its owner, each as often as asked', async () => {
  const { id } = await submit()
  for (const [verb, state] of [
    ['pause', 'paused'],
    ['pause', 'paused'],
    ['resume', 'running'],
    ['resume', 'running'],
    ['pause', 'paused'],
  ]) {
    expect((await call('POST', `/${id}/${verb}`)).json).toMatchObject({ state, endedAt: null })
  }
  const reply = await call('POST', `/${id}/stop`, { reason: 'we know enough' })
  expect(reply.json).toMatchObject({ state: 'cancelled', end: { by: 'owner', reason: 'we know enough' } })
  expect((await call('POST', `/${id}/cancel`)).json).toMatchObject({
    end: { by: 'owner', reason: 'we know enough' },
  })
  for (const verb of ['pause', 'resume'])
    expect((await call('POST', `/${id}/${verb}`)).code).toBe('campaign_ended')
})

test('nobody else may do that, and an administrator may', async () => {
  const { id } = await submit()
  const other = await addUser(server.database.knex, `other-${count}`)
  const admin = await addUser(server.database.knex, `admin-${count}`, { scopes: ['campaign', 'admin'] })
  const revised = { expected: 1, reason: 'why not', file: { ...FILE, title: 'Another' } }
  for (const verb of ['pause', 'resume', 'stop'])
    expect((await call('POST', `/${id}/${verb}`, undefined, other.token)).code).toBe('scope_missing')
  expect((await call('PUT', `/${id}`, revised, other.token)).code).toBe('scope_missing')
  expect((await call('PUT', `/${id}`, revised, admin.token)).json).toMatchObject({
    revision: 2,
    title: 'Another',
  })
  const { revisions } = RevisionList.parse((await call('GET', `/${id}/revisions`)).json)
  expect(revisions.map(({ author, reason }) => [author, reason])).toEqual([
    ['owner', 'as submitted'],
    ['operator', 'why not'],
  ])
})

test('a revision sets aside what it costs more, keeps the old file, and knows when it is late', async () => {
  const { id } = await submit()
  expect(await balance()).toBe(1000 - 88)
  const file = { ...FILE, budget: { ...FILE.budget, runs: 8 } }
  const reply = await call('PUT', `/${id}`, { expected: 1, reason: 'more', file })
  expect(CampaignView.parse(reply.json)).toMatchObject({
    ...{ revision: 2, experiments: { planned: 8, created: 0 } },
    credit: { reservedMilli: 176, balanceMilli: 176 },
  })
  expect(await balance()).toBe(1000 - 176)
  expect(server.woken.campaigns).toEqual([id, id])
  expect((await call('PUT', `/${id}`, { expected: 1, reason: 'late', file: FILE })).code).toBe(
    'revision_conflict',
  )
  const fewer = await call('PUT', `/${id}`, { expected: 2, reason: 'fewer', file: FILE })
  expect(fewer.json).toMatchObject({ experiments: { planned: 4 }, credit: { reservedMilli: 176 } }) // the rest comes back at the end
  const runs = async (number: string) =>
    RevisionView.parse((await call('GET', `/${id}/revisions/${number}`)).json).file.budget.runs
  expect([await runs('1'), await runs('2'), await runs('latest')]).toEqual([4, 8, 4])
  expect((await call('GET', `/${id}/revisions/9`)).code).toBe('not_found')
  expect((await server.call('GET', '/api/v1/ledger/summary')).json).toMatchObject({ balanced: true })
})

test('a revision that cannot be leaves everything as it was', async () => {
  const { id } = await submit()
  const before = (await call('GET', `/${id}`)).json
  for (const [changes, code] of [
    [{ metric: { name: 'val_bpb', goal: 'maximize' } }, 'revision_invalid'],
    [{}, 'revision_invalid'],
    [{ space: { lr: { log: [0.001, 10], points: 50 } } }, 'recipe_invalid'],
    [{ space: { lr: { log: [0.001, 0.1], points: 3 } } }, 'space_too_small'],
    [{ budget: { ...FILE.budget, runs: 50 } }, 'insufficient_credit'],
  ] as const) {
    const reply = await call('PUT', `/${id}`, { expected: 1, reason: 'try', file: { ...FILE, ...changes } })
    expect([changes, reply.code]).toEqual([changes, code])
  }
  expect((await call('GET', `/${id}`)).json).toEqual(before)
  await call('POST', `/${id}/stop`)
  const late = { expected: 1, reason: 'late', file: { ...FILE, title: 'Another' } }
  expect((await call('PUT', `/${id}`, late)).code).toBe('campaign_ended')
})

test('an unlisted campaign is in no list, and a fork names its origin', async () => {
  const hidden = await submit({ visibility: 'unlisted' })
  const fork = await submit({ derived_from: hidden.id })
  expect(fork.derivedFrom).toBe(hidden.id)
  const { campaigns } = CampaignList.parse((await call('GET', '')).json)
  expect(campaigns.map(({ id }) => id)).toContain(fork.id)
  expect(campaigns.map(({ id }) => id)).not.toContain(hidden.id)
  expect((await call('GET', `/${hidden.id}`)).status).toBe(200)
  expect((await call('POST', '', { ...FILE, derived_from: 'c_none' })).code).toBe('campaign_invalid')
})

test('an owner has a hundred campaigns open at most', async () => {
  const { id } = await submit()
  await server.database.knex.raw(
    `insert into campaigns (id, owner_id, title, file, kernel_sha256, dataset_sha256, experiments_planned,
       price_milli_per_gfuel, reserved_milli, body_sha256, created_at)
     select id || n, owner_id, title, file, kernel_sha256, dataset_sha256, experiments_planned, price_milli_per_gfuel,
       0, body_sha256, created_at from campaigns, generate_series(2, ?::int) as n where id = ?`,
    [CAMPAIGNS_OPEN_MAX, id],
  )
  expect((await call('POST', '', FILE)).code).toBe('campaign_limit')
  expect(await balance()).toBe(1000 - 88)
  await call('POST', `/${id}/stop`)
  expect((await call('POST', '', FILE)).status).toBe(201)
})
