import { afterAll, beforeAll, expect, test } from 'vitest'
import { ExperimentView } from '#protocol/experiments.ts'
import type { ExperimentId, UserId } from '#protocol/units.ts'
import { addUser } from '#support/builders.ts'
import { addPublished, type Published } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let campaign: Published

beforeAll(async () => {
  server = await startServer()
  const owner: { id: UserId } = await addUser(server.database.knex, 'ada')
  campaign = await addPublished(server.database.knex, server, {
    owner: owner.id,
    file: { replicate: { quorum: 1, seeds: 2, policy: 'fixed' } },
    experiments: [
      { recipe: { lr: 0.01, width: 16 }, values: [3.5, 3.7], baseline: true },
      { recipe: { lr: 0.02, width: 16 }, values: [3.1, 3.3] },
      { recipe: { lr: 0.02, width: 32 }, values: [3, 3.2] },
      { recipe: { lr: 0.04, width: 32 }, values: [1, 1], unverified: true },
      { recipe: { lr: 0.05, width: 32 }, values: [4, undefined] },
      { recipe: { lr: 0.06, width: 32 }, values: [Number.NaN] },
    ],
  })
  const [origin, second, third, leader] = campaign.experiments.map(({ id }) => id)
  await addTests([
    [1, 'promoted', origin, second],
    [2, 'promoted', second, third],
    [3, 'rejected', third, campaign.experiments[4]?.id],
    [4, 'promoted', third, leader],
  ])
})
afterAll(() => server.close())

type Side = ExperimentId | undefined

const addTests = async (tests: readonly (readonly [number, string, Side, Side])[]): Promise<void> => {
  for (const [number, state, incumbent, challenger] of tests)
    await server.database.knex.raw(
      `insert into campaign_tests (campaign_id, number, incumbent_id, challenger_id, first_seed, pairs_asked, deviation, state, gains,
         llr, lower_bound, upper_bound, started_at, decided_at)
       values (:campaign, :number, :incumbent, :challenger, 2, 4, 0.1, :state, '{0.1,0.2}', 3, -2.9, 2.9, now(), now())`,
      { campaign: campaign.id, number, incumbent, challenger, state } as never,
    )
}

const get = (id: string | undefined) => server.call('GET', `/api/v1/experiments/${id}`)
const view = async (index: number) => ExperimentView.parse((await get(campaign.experiments[index]?.id)).json)

test('an experiment has its mean, its rank, its runs with curves, and what it descends from step by step', async () => {
  const third = await view(2)
  expect(third).toMatchObject({ withheld: false, rank: { place: 1, of: 4 }, baseline: false })
  expect(third.value).toMatchObject({ n: 2, mean: 3.1 })
  expect(third.lineage.map(({ recipe }) => [recipe.lr, recipe.width])).toEqual([
    [0.01, 16],
    [0.02, 16],
    [0.02, 32],
  ])
  expect(third.runs.map(({ seedIndex, value }) => [seedIndex, value])).toEqual([
    [0, 3],
    [1, 3.2],
  ])
  expect(third.runs[0]?.curve.at(-1)).toMatchObject({ train: 3, fuel: 1 })
  expect(third.runs[0]?.results).toMatchObject([{ verdict: 'valid', host: null, grantedMilli: 0 }])
  // Of the test whose other side is withheld it is said only that it runs.
  expect(third.tests.map(({ number, side, state }) => [number, side, state])).toEqual([
    [4, 'incumbent', 'running'],
    [3, 'incumbent', 'rejected'],
    [2, 'challenger', 'promoted'],
  ])
  expect(third.tests[0]?.gain).toBeNull()
})

test('what may lead and no verifier has seen is told without values, and ranks nobody down', async () => {
  const leader = await view(3)
  expect(leader).toMatchObject({ withheld: true, value: null, rank: null })
  expect(leader.runs).toMatchObject([{ value: null, curve: [], status: null }, { value: null }])
  expect(leader.runs.flatMap(run => run.results.map(result => result.digest))).toEqual([null, null])
  expect(leader.lineage).toHaveLength(2) // its promotion is not told either
})

test('a run that is open has no value yet; one that diverged says so; the unchanged recipe descends from nothing', async () => {
  const open = await view(4)
  expect(open.runs.map(({ state, published, value }) => [state, published, value])).toEqual([
    ['valid', true, 4],
    ['open', false, null],
  ])
  expect(open.lineage).toHaveLength(2)
  expect(await view(5)).toMatchObject({ rank: null, value: null, runs: [{ status: 'diverged' }] })
  expect(await view(0)).toMatchObject({ baseline: true, rank: { place: 3, of: 4 } })
  expect((await view(0)).lineage).toHaveLength(1)
})

test('notes that rest on it, or on a result of it, stand beside it', async () => {
  const [origin, second] = campaign.experiments
  for (const [id, evidence] of [
    ['n_00000000000000000000000001', [second?.resultIds[0]]],
    ['n_00000000000000000000000002', [origin?.id]],
    ['n_00000000000000000000000003', [second?.id]],
  ] as const)
    await server.database.knex.raw(
      `insert into campaign_notes (id, campaign_id, at, kind, body, evidence) values (?, ?, now(), 'insight', ?, ?)`,
      [id, campaign.id, `body of ${id}`, evidence] as never,
    )
  expect((await view(1)).notes.map(({ id }) => id.slice(-1))).toEqual(['3', '1'])
})

test('nobody is told of an experiment that there is not', async () => {
  expect((await get(`e_${'0'.repeat(26)}`)).code).toBe('not_found')
  expect((await get('nonsense')).code).toBe('not_found')
})
