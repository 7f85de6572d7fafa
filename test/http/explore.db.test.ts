import { afterAll, beforeAll, expect, test } from 'vitest'
import { ExploreView } from '#protocol/explore.ts'
import { SpentView } from '#protocol/spent.ts'
import { addUser } from '#support/builders.ts'
import { addPublished } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let campaign: string

beforeAll(async () => {
  server = await startServer()
  const { id: owner } = await addUser(server.database.knex, 'ada')
  const made = await addPublished(server.database.knex, server, {
    owner,
    file: {},
    experiments: [
      { recipe: { lr: 0.001, width: 16, act: 'relu' }, values: [3.9, 4.1] },
      { recipe: { lr: 0.01, width: 16, act: 'gelu' }, values: [3.2, Number.NaN] },
      { recipe: { lr: 0.1, width: 32, act: 'gelu' }, values: [3.6, 3.7, 4.4] },
      { recipe: { lr: 0.1, width: 64, act: '<b>' }, values: [5], provisional: true },
      { recipe: { lr: 0.0015, width: 64, act: 'relu' }, values: [1], unverified: true }, // would lead unseen
    ],
  })
  campaign = made.id
})
afterAll(() => server.close())

const ask = (query: Record<string, string>) =>
  server.call('GET', `/api/v1/corpus/explore?${new URLSearchParams({ kernel: 'tiny@0', ...query })}`)
const seen = async (query: Record<string, string>) => ExploreView.parse((await ask(query)).json)
const metrics = async (where: string) =>
  ((await seen({ where })).runs ?? []).map(run => run.metric ?? run.status).sort()

test('rows are what is final and may be seen, in slices that step over nothing', async () => {
  const all = await seen({})
  expect(all).toMatchObject({ matched: 7, truncated: false, nextAfter: null, groups: null })
  expect(all.fields).toContain('lr')
  const slices: string[] = []
  for (let after: string | null = ''; after !== null; ) {
    const slice: ExploreView = await seen({ limit: '3', ...(after === '' ? {} : { after }) })
    slices.push(...(slice.runs ?? []).map(run => run.workUnitId))
    after = slice.nextAfter
  }
  expect(slices).toEqual(all.runs?.map(run => run.workUnitId))
})

test.each<[string, (number | string)[]]>([
  ['lr>=0.01', [3.2, 3.6, 3.7, 4.4, 'diverged']],
  ['lr>=0.01 width=16', [3.2, 'diverged']],
  ['act=gelu metric<3.65', [3.2, 3.6]],
  ['act!=gelu', [3.9, 4.1]],
  ['status=diverged', ['diverged']],
  ['seed>1', [4.4]],
  ['nothing=1', []],
  ["act='or'1'='1", []],
])('where %s', async (where, expected) => {
  expect(await metrics(where)).toEqual(expected)
})

test('groups have n, median, mean and extremes; what diverged counts in n only', async () => {
  const { groups } = await seen({ group: 'width' })
  expect(groups).toMatchObject([
    { key: [16], n: 4, ok: 3, median: 3.9, min: 3.2, max: 4.1 },
    { key: [32], n: 3, ok: 3, median: 3.7, mean: expect.closeTo(3.9, 9) },
  ])
  const two = await seen({ group: 'act,lr:log2', where: `campaign=${campaign}` })
  const low = 0.001 * 10 ** 0.5 // the middles of two bins from 0.001 to 0.1
  expect(two.groups?.map(({ key, n }) => [...key, n])).toEqual([
    ['gelu', expect.closeTo(low * 10, 9), 5],
    ['relu', expect.closeTo(low, 9), 2],
  ])
  expect((await seen({ group: 'status' })).groups?.map(({ key }) => key)).toEqual([['diverged'], ['ok']])
})

test('what is no question says why', async () => {
  for (const [query, word] of [
    [{ where: 'lr>' }, 'lr>'],
    [{ where: 'a=1 '.repeat(17) }, '16'],
    [{ group: 'a,b,c' }, '2'],
    [{ group: 'lr:log99' }, '64'],
    [{ group: 'lr;drop' }, 'lr;'],
  ] as const) {
    const reply = await ask(query)
    expect([reply.code, reply.text]).toEqual(['bad_request', expect.stringContaining(word)])
  }
  expect((await ask({ kernel: 'nobody@9' })).code).toBe('kernel_unknown')
})

test('what was spent is the sum over accepted results, with its estimate', async () => {
  const { knex } = server.database
  await knex.raw(`update results set cpu_ms = 3600000, reported_at = ?`, [new Date(server.now())])
  const view = SpentView.parse((await server.call('GET', '/api/v1/spent')).json)
  const [{ n }] = (await knex.raw(`select count(*)::int as n from results where outcome = 'success'`)).rows
  expect(view).toMatchObject({ results: n, coreHours: n, gfuel: expect.closeTo(n * 0.5, 9) })
  expect(view.lastDay.results).toBe(n)
  expect(view.wattHours.typical).toBeGreaterThan(view.wattHours.low)
})
