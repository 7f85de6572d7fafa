import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CampaignView } from '#protocol/campaign.ts'
import { ProposeReply } from '#protocol/experiments.ts'
import { SearchView } from '#protocol/search.ts'
import { addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: string; token: string }
let id: string
let count = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  owner = await addUser(server.database.knex, `owner-${++count}`, { milli: 1_000_000 })
  id = await submit({ sampler: { name: 'tpe' } })
})

async function submit(changes: object): Promise<string> {
  const file = {
    ...{ title: 'Which learning rate?', kernel: 'tiny@0', data: 'fox@1' },
    metric: { name: 'val_bpb', goal: 'minimize' },
    budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
    baseline: false,
    ...{ space: { lr: { log: [0.001, 0.1], points: 4 } }, recipe: { width: 16 } },
    ...changes,
  }
  const reply = await server.call('POST', '/api/v1/campaigns', { token: owner.token, body: file })
  return CampaignView.parse(reply.json).id
}

const propose = (body: unknown, token = owner.token, campaign = id) =>
  server.call('POST', `/api/v1/campaigns/${campaign}/experiments`, { token, body })
const recipes = [{ lr: 0.01 }, { lr: 0.02 }, { lr: 0.01 }, { lr: 7 }]
const stored = async () =>
  (
    await server.database.knex.raw(
      'select recipe->>? as lr, proposer_id from experiments where campaign_id = ?',
      ['lr', id],
    )
  ).rows

test('recipes from outside become experiments, once, and wake the campaign', async () => {
  const dry = ProposeReply.parse((await propose({ recipes, dryRun: true })).json)
  expect(dry).toMatchObject({ remaining: 2, dryRun: true })
  expect(dry.experiments.map(({ outcome }) => outcome)).toEqual(['created', 'created', 'created', 'refused'])
  expect(await stored()).toEqual([])

  server.woken.campaigns.length = 0
  const { experiments, remaining } = ProposeReply.parse((await propose({ recipes })).json)
  expect(remaining).toBe(2)
  expect(experiments[2]?.experimentId).toBe(experiments[0]?.experimentId)
  expect(experiments[3]).toMatchObject({
    outcome: 'refused',
    experimentId: null,
    detail: expect.stringMatching(/^lr: /),
  })
  expect(await stored()).toEqual([
    { lr: '0.01', proposer_id: owner.id },
    { lr: '0.02', proposer_id: owner.id },
  ])
  expect(server.woken.campaigns).toEqual([id])

  const again = ProposeReply.parse((await propose({ recipes })).json)
  expect(again.experiments.map(({ outcome }) => outcome)).toEqual(['known', 'known', 'known', 'refused'])
  expect(again.remaining).toBe(2)
  const more = ProposeReply.parse((await propose({ recipes: [0.03, 0.04, 0.05].map(lr => ({ lr })) })).json)
  expect(more.experiments.map(({ outcome }) => outcome)).toEqual(['created', 'created', 'refused'])
  expect(more.remaining).toBe(0)
})

test('two calls at once create no recipe twice and no run too many', async () => {
  const replies = await Promise.all(
    [0.01, 0.02, 0.03, 0.04, 0.05, 0.06].map(lr => propose({ recipes: [{ lr }, { lr: 0.07 }] })),
  )
  expect(replies.map(({ status }) => status)).toEqual(Array(6).fill(200))
  expect(await stored()).toHaveLength(4)
})

test('nobody else proposes, nor to a campaign that is planned or has ended, nor nonsense', async () => {
  const stranger = await addUser(server.database.knex, `stranger-${count}`)
  expect((await propose({ recipes }, stranger.token)).code).toBe('scope_missing')
  expect((await propose({ recipes: [] })).code).toBe('bad_request')
  expect((await propose({ recipes: Array(101).fill({ lr: 0.01 }) })).code).toBe('bad_request')
  expect((await propose({ recipes, rationale: 'x' })).code).toBe('bad_request')
  const planned = await submit({ sampler: { name: 'grid' } })
  expect((await propose({ recipes }, owner.token, planned)).code).toBe('campaign_invalid')
  await server.call('POST', `/api/v1/campaigns/${id}/cancel`, { token: owner.token })
  expect((await propose({ recipes })).code).toBe('campaign_ended')
})

test('anybody reads what the sampler knows; of a campaign planned in advance there is nothing to know', async () => {
  const { experiments } = ProposeReply.parse((await propose({ recipes })).json)
  const search = (campaign: string, query = '') =>
    server.call('GET', `/api/v1/campaigns/${campaign}/search${query}`)
  const view = SearchView.parse((await search(id, '?limit=1')).json)
  expect(view).toMatchObject({
    ...{ sampler: 'tpe', metric: 'val_bpb', goal: 'minimize', best: [], failures: [] },
    experiments: { planned: 4, created: 2, pending: 2, finished: 0, outside: 2 },
    parameters: [{ name: 'lr', bestQuarter: [], importance: null }],
  })
  expect(view.pending).toEqual([
    { ordinal: 1, experimentId: experiments[1]?.experimentId, values: { lr: 0.02 } },
  ])
  expect((await search(id, '?limit=0')).code).toBe('bad_request')
  expect((await search(await submit({ sampler: { name: 'grid' } }))).code).toBe('not_found')
})

test('where those outside are one of several proposers, recipes wait for their turn, each once, and no more than there are runs', async () => {
  const sampler = { name: 'tpe', beside: ['random', 'propose'] }
  const replicate = { quorum: 2, seeds: 2 }
  id = await submit({ sampler, replicate, stop: { sprt: { effect: 0.1 } } })
  const dry = ProposeReply.parse((await propose({ recipes, dryRun: true })).json)
  expect(dry.experiments.map(({ outcome }) => outcome)).toEqual(['waiting', 'waiting', 'waiting', 'refused'])
  server.woken.campaigns.length = 0
  const { experiments, remaining } = ProposeReply.parse((await propose({ recipes })).json)
  expect(remaining).toBe(4)
  expect(experiments[2]?.experimentId).toBe(experiments[0]?.experimentId)
  expect(server.woken.campaigns).toEqual([id])
  expect(await stored()).toEqual([])
  const again = ProposeReply.parse((await propose({ recipes })).json)
  expect(again.experiments).toEqual(experiments)
  const more = ProposeReply.parse((await propose({ recipes: [0.03, 0.04, 0.05].map(lr => ({ lr })) })).json)
  expect(more.experiments.map(({ outcome }) => outcome)).toEqual(['waiting', 'waiting', 'refused'])
  const view = SearchView.parse((await server.call('GET', `/api/v1/campaigns/${id}/search`)).json)
  expect(view).toMatchObject({ sampler: 'tpe', waiting: 4, experiments: { created: 0 } })
  expect(view.proposers?.map(({ name }) => name)).toEqual(['tpe', 'random', 'propose'])
  expect(view.proposers?.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
  const report = await server.call('GET', `/api/v1/campaigns/${id}/report/report.md`)
  expect(report.text).toContain('### Who proposed')
})

test('a budget that is shared by promotions without a test of them is refused', async () => {
  const body = { sampler: { name: 'tpe', beside: ['propose'] } }
  await expect(submit(body)).rejects.toThrow()
})
