import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ScienceList } from '#protocol/science.ts'
import type { UserId } from '#protocol/units.ts'
import { addUser } from '#support/builders.ts'
import { addPublished, type PublishedExperiment } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId; token: string }

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada')
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(`delete from corpus`)
  server.advance(3600_000) // what was kept is old
})

const publish = (experiments: readonly PublishedExperiment[], file: object = {}) =>
  addPublished(server.database.knex, server, {
    owner: owner.id,
    file: { metric: { name: 'val_bpb', goal: 'minimize' }, ...file },
    experiments,
  })

const boardsOf = async (query = '') => {
  const reply = await server.call('GET', `/api/v1/science?${query}`)
  expect([reply.status, reply.text]).toEqual([200, reply.text])
  return ScienceList.parse(reply.json)
}
const meansOf = async (query = '') => {
  const [board] = (await boardsOf(query)).boards
  return board?.rows.map(row => [row.place, row.mean, row.n]) ?? []
}
const recipe = (lr: number) => ({ lr, width: 16 })

test('ranks configurations over campaigns: a seed counts once, seeds of several campaigns together', async () => {
  const first = await publish([
    { recipe: recipe(0.01), values: [3, 3.2] },
    { recipe: recipe(0.02), values: [3.05] },
  ])
  const second = await publish([{ recipe: recipe(0.01), values: [2, 3.4], firstSeed: 1 }]) // seed 1 again, and seed 2
  await server.database.knex.raw(
    `update corpus set published_at = published_at + interval '1 day' where campaign_id = ?`,
    [second.id],
  )
  const { boards, nextAfter } = await boardsOf()
  expect(nextAfter).toBeNull()
  expect(boards).toHaveLength(1)
  const [board] = boards
  expect(board).toMatchObject({
    ...{
      kernel: 'tiny@0',
      data: 'fox@1',
      limit: { fuel: 1e9 },
      engineClass: 'wasm',
      complete: true,
      waiting: 0,
    },
    metric: { name: 'val_bpb', goal: 'minimize' },
    baselines: [{ name: 'unigram', value: 4.1 }, ...[3.5, 3.1, 2.9, 2.8, 2.85].map(value => ({ value }))],
  })
  expect(board?.rows.map(row => [row.place, row.recipe.lr, row.n, row.campaigns, row.rerun])).toEqual([
    [1, 0.02, 1, 1, true],
    [2, 0.01, 3, 2, true],
  ])
  const [, seen] = board?.rows ?? []
  expect(seen?.mean).toBeCloseTo(3.2, 10)
  expect(seen?.ci95).toBeCloseTo((4.303 * 0.2) / Math.sqrt(3), 3) // Student t with 2 degrees of freedom
  expect(seen?.found).toMatchObject({ campaignId: first.id, owner: 'ada', proposer: null })
})

test('who diverged with any seed ranks last; what is provisional, withdrawn, unlisted or no whole run counts nowhere', async () => {
  const { knex } = server.database
  const { experiments } = await publish([
    { recipe: recipe(0.01), values: [2, Number.NaN] },
    { recipe: recipe(0.02), values: [3] },
    { recipe: recipe(0.03), values: [2.5] },
    { recipe: recipe(0.04), values: [2.4], provisional: true },
    { recipe: recipe(0.05), values: [2.3] },
  ])
  await publish([{ recipe: recipe(0.06), values: [1] }], { visibility: 'unlisted' })
  await knex.raw(`update corpus set retracted_at = now() where experiment_id = ?`, [experiments[2]!.id])
  await knex.raw(`update corpus set rung = 1 where experiment_id = ?`, [experiments[4]!.id])
  expect(await meansOf()).toEqual([
    [1, 3, 1],
    [2, 2, 1],
  ])
})

test('keeps apart what is not comparable, pages through it, and finds one by its id, its kernel and its data', async () => {
  const { knex } = server.database
  const { experiments } = await publish([1, 2, 3].map(i => ({ recipe: recipe(i / 100), values: [i] })))
  await knex.raw(`update corpus set job_limit = '{"fuel": 2000000000}' where experiment_id = ?`, [
    experiments[1]!.id,
  ])
  await knex.raw(`update corpus set engine_class = 'onnx-cpu' where experiment_id = ?`, [experiments[2]!.id])
  const seen: [string, number | undefined][] = []
  for (let after: string | null = ''; after !== null; ) {
    const page: ScienceList = await boardsOf(`limit=1${after === '' ? '' : `&after=${after}`}`)
    seen.push(...page.boards.map((b): [string, number | undefined] => [b.id, b.rows[0]?.mean]))
    after = page.nextAfter
  }
  expect(seen.map(([, mean]) => mean).sort()).toEqual([1, 2, 3])
  const [id = '', mean] = seen[1] ?? []
  expect((await boardsOf(`board=${id}`)).boards.map(b => b.rows[0]?.mean)).toEqual([mean])
  expect((await boardsOf('kernel=tiny@0&data=fox@1')).boards).toHaveLength(3)
  expect((await boardsOf('kernel=other@1')).boards).toEqual([])
  for (const query of ['rows=0', 'rows=101', 'board=x', 'after=0000000000000000', 'colour=red'])
    expect([query, (await server.call('GET', `/api/v1/science?${query}`)).status]).toEqual([query, 400])
})

test('shows nothing that would lead unseen by the verifier, on its campaign’s leaderboard or on this one', async () => {
  await publish([
    { recipe: recipe(0.01), values: [1], unverified: true },
    ...Array.from({ length: 12 }, (_, i) => ({ recipe: recipe(0.02 + i / 1000), values: [3 + i / 10] })),
  ])
  await publish([{ recipe: recipe(0.05), values: [3.05], unverified: true }])
  const [board] = (await boardsOf('rows=100')).boards
  expect(board?.waiting).toBe(2)
  expect(board?.rows.map(row => row.mean)).toEqual(Array.from({ length: 12 }, (_, i) => 3 + i / 10))
})

test('a campaign of which no verifier has seen anything is left out with a few questions', async () => {
  await publish(
    Array.from({ length: 300 }, (_, i) => ({
      recipe: recipe(0.1 + i / 1000),
      values: [3],
      unverified: true,
    })),
  )
  let asked = 0
  const count = () => void asked++
  server.database.knex.on('query', count)
  const [board] = (await boardsOf()).boards
  server.database.knex.off('query', count)
  expect(board).toMatchObject({ rows: [], waiting: 300 })
  expect(asked).toBeLessThan(25)
})

test('unchanged recipes stand on the list, also below the rows asked for', async () => {
  await publish([
    { recipe: recipe(0.01), values: [3.9], baseline: true },
    ...Array.from({ length: 5 }, (_, i) => ({ recipe: recipe(0.02 + i / 1000), values: [3 + i / 10] })),
  ])
  const [board] = (await boardsOf('rows=2')).boards
  expect(board?.rows.map(row => [row.place, row.mean, row.baseline])).toEqual([
    [1, 3, false],
    [2, 3.1, false],
    [null, 3.9, true],
  ])
})

test('a configuration with one lucky seed does not hide others whose best run was not looked at first', async () => {
  // 1,100 configurations with a very good and a very bad seed each stand before one that is good on both.
  await publish([
    ...Array.from({ length: 1_100 }, (_, i) => ({ recipe: recipe(0.1 + i / 10_000), values: [1, 9] })),
    { recipe: recipe(0.01), values: [2, 2] },
  ])
  const [board] = (await boardsOf('rows=1')).boards
  expect(board?.rows).toMatchObject([{ place: 1, mean: 2, n: 2 }])
  expect(board).toMatchObject({ complete: true })
}, 60_000)
