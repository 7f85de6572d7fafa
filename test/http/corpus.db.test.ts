import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CorpusList, CorpusView, SimilarView } from '#protocol/corpus.ts'
import { addMs, type CampaignId, type UserId } from '#protocol/units.ts'
import { addCampaign, addUser, type MadeUnit } from '#support/builders.ts'
import { STAND_ALONE } from '#support/published.ts'
import { computeUnits, endEmbargo, verify } from '#support/publishing.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId; token: string }
let host: TestHost

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada')
  host = await enrolHost(server)
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(`delete from corpus`)
  server.advance(3600_000)
})

/** Runs, published one a second from now on, seen by the verifier but for the last `unseen`. */
async function published(
  values: readonly number[],
  unseen = 0,
): Promise<{ id: CampaignId; units: MadeUnit[] }> {
  const { knex } = server.database
  const units = values.map((_, i) => ({ quorum: 1, priority: 100 - i }))
  const made = await addCampaign(knex, server, owner.id, units)
  await computeUnits(host, made.units, values)
  await endEmbargo(knex, made.id)
  for (const [i, { id }] of made.units.entries())
    await knex.raw(`update corpus set published_at = ? where work_unit_id = ?`, [
      new Date(addMs(server.now(), 1000 * i)),
      id,
    ])
  await verify(knex, made.units.slice(0, made.units.length - unseen))
  return made
}

const get = (path: string) => server.call('GET', `/api/v1/corpus${path}`)
const listed = async (query = '') => CorpusList.parse((await get(`?${query}`)).json)
const valuesOf = async (query = '') => (await listed(query)).runs.map(run => run.metricValue ?? run.status)

test('lists runs of all campaigns newest first, failures included, in pages that step over nothing', async () => {
  const first = await published([3.5, Number.NaN, 3.25])
  server.advance(60_000)
  const second = await published([3.75])
  expect(await valuesOf()).toEqual([3.75, 3.25, 'diverged', 3.5])
  const seen: string[] = []
  for (let after: string | null = ''; after !== null; ) {
    const page: CorpusList = await listed(`limit=2${after === '' ? '' : `&after=${after}`}`)
    seen.push(...page.runs.map(run => run.workUnitId))
    after = page.nextAfter
    await server.database.knex.raw(
      `update corpus set published_at = published_at + interval '1 day' where campaign_id = ?`,
      [second.id],
    ) // what is newer than the page does not move it
  }
  expect(seen).toEqual([second.units[0]!.id, ...first.units.map(unit => unit.id).reverse()])
})

test('filters by kernel, data, campaign, status, metric and time', async () => {
  const first = await published([3.5, Number.NaN, 3.25])
  server.advance(60_000)
  await published([3.75])
  const since = new Date(server.now()).toISOString()
  expect(await valuesOf('kernel=tiny@0&data=fox@1')).toHaveLength(4)
  expect(await valuesOf('kernel=tiny@0&metric_max=3.5')).toEqual([3.25, 3.5])
  expect(await valuesOf('kernel=tiny@0&metric_min=3.5&metric_max=3.6')).toEqual([3.5])
  expect(await valuesOf('status=diverged')).toEqual(['diverged'])
  expect(await valuesOf(`campaign=${first.id}&status=ok`)).toEqual([3.25, 3.5])
  expect(await valuesOf(`since=${since}`)).toEqual([3.75])
  for (const [query, code] of [
    ['kernel=none@1', 'kernel_unknown'],
    ['data=none@1', 'data_unknown'],
    ['metric_max=3', 'bad_request'],
    ['rung=4', 'bad_request'],
    ['limit=0', 'bad_request'],
    ['since=yesterday', 'bad_request'],
    ['order=best', 'bad_request'],
  ])
    expect([query, (await get(`?${query}`)).code]).toEqual([query, code])
})

test('marks runs that ended early and single results, and leaves out what would lead unseen and what was withdrawn', async () => {
  const { knex } = server.database
  const { units } = await published([3.5, 3.25, 3.75, 3.125], 1)
  await knex.raw(`update work_units set metric = null, rung = 1 where id = ?`, [units[2]!.id])
  await knex.raw(`update corpus set rung = 1 where work_unit_id = ?`, [units[2]!.id])
  await knex.raw(STAND_ALONE, [units[1]!.id])
  const { runs } = await listed()
  expect(runs.map(run => [run.metricValue, run.rung, run.provisional])).toEqual([
    [3.75, 1, false],
    [3.25, 3, true],
    [3.5, 3, false],
  ])
  expect(await valuesOf('rung=1')).toEqual([3.75])
  await knex.raw(`update corpus set retracted_at = now() where work_unit_id = ?`, [units[0]!.id])
  expect(await valuesOf('rung=3')).toEqual([3.25])
  const view = CorpusView.parse((await get(`/${units[0]!.id}`)).json)
  expect(view).toMatchObject({ run: null, retracted: [{ revision: 0, metricValue: 3.5 }] })
})

test('shows one run with its curve, under an id that stays', async () => {
  const { units } = await published([3.5])
  const { run } = CorpusView.parse((await get(`/${units[0]!.id}`)).json)
  expect(run).toMatchObject({ metricValue: 3.5, curve: [], provisional: false, answeredFrom: null })
  expect((await get(`/${units[0]!.id.replace(/..$/, 'zz')}`)).code).toBe('not_found')
  expect((await get('/x')).code).toBe('not_found')
})

test('finds what is most like a recipe, how new that is and what it gave; a run asked for twice counts once', async () => {
  const { knex } = server.database
  const { units } = await published([3.5, 3.25, 3.125])
  const again = await published([3.5])
  await knex.raw(
    `update corpus set run_key = (select run_key from corpus where work_unit_id = :from) where work_unit_id = :to`,
    { from: units[0]!.id, to: again.units[0]!.id },
  )
  const similar = async (recipe: object, more = '') =>
    SimilarView.parse(
      (await get(`/similar?kernel=tiny@0&recipe=${encodeURIComponent(JSON.stringify(recipe))}${more}`)).json,
    )
  const known = await similar({ lr: 0.0001, width: 16 })
  expect(known).toMatchObject({ novelty: 0, lookedAt: 3 })
  expect(known.neighbours[0]).toMatchObject({
    ...{ distance: 0, differs: [] },
    runs: [{ data: 'fox@1', limit: { fuel: 1e9 }, n: 1, ok: 1, metricName: 'val_bpb', mean: 3.5 }],
  })
  expect(known.neighbours.map(({ recipe }) => recipe.lr)).toEqual([0.0001, 0.0002, 0.0003])
  const fresh = await similar({ lr: 1, width: 64 }, '&limit=1&data=fox@1')
  expect(fresh.novelty).toBeGreaterThan(0.5)
  expect(fresh.neighbours).toMatchObject([{ recipe: { lr: 0.0003 }, differs: ['lr', 'width'] }])
  for (const [query, code] of [
    ['', 'bad_request'],
    ['kernel=none@1', 'kernel_unknown'],
    ['kernel=tiny@0&recipe={', 'bad_request'],
    ['kernel=tiny@0&recipe={"lr":7}', 'recipe_invalid'],
    ['kernel=tiny@0&limit=51', 'bad_request'],
  ])
    expect([query, (await get(`/similar?${query}`)).code]).toEqual([query, code])
})

test('tells no metric of what would lead unseen by way of similarity', async () => {
  await published([3.5, 3.25], 1)
  const { json } = await get(`/similar?kernel=tiny@0&recipe=${encodeURIComponent('{"lr":0.0002}')}`)
  const { neighbours } = SimilarView.parse(json)
  expect(neighbours.map(({ runs }) => runs.map(({ mean }) => mean))).toEqual([[], [3.5]])
})
