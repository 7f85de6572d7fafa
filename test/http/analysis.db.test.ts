import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import type { UserId } from '#protocol/units.ts'
import { addUser } from '#support/builders.ts'
import { addPublished, type Published, type PublishedExperiment } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId }

const FILE: Partial<CampaignFile> = {
  space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } },
  replicate: { quorum: 1, seeds: 2, policy: 'fixed' },
}
// Best at lr 0.01 and width 32; the second seed is worse by 0.01 for all.
const grid = (rates: readonly number[]): PublishedExperiment[] =>
  rates.flatMap(lr =>
    [16, 32].map(width => {
      const value = 3 + (Math.log10(lr) + 2) ** 2 + (width === 16 ? 0.1 : 0)
      return { recipe: { lr, width }, values: [value, value + 0.01], parameters: 10 * width }
    }),
  )
const RATES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05]

let campaign: Published

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada')
  campaign = await addPublished(server.database.knex, server, {
    ...{ owner: owner.id, file: FILE },
    experiments: [
      ...grid(RATES),
      { recipe: { lr: 0.0101, width: 32 }, values: [1, 1], unverified: true },
      { recipe: { lr: 0.0102, width: 32 }, values: [1.5, 1.5], provisional: true, unverified: true },
      { recipe: { lr: 0.09, width: 16 }, values: [4, Number.NaN] },
      { recipe: { lr: 0.08, width: 16 }, values: [4, undefined] },
      { recipe: { lr: 0.07, width: 16 }, values: [9, 9], baseline: true },
    ],
  })
})
afterAll(() => server.close())

const get = (query = '') => server.call('GET', `/api/v1/campaigns/${campaign.id}/analysis${query}`)
const view = async (query = '') => AnalysisView.parse((await get(query)).json)

test('only verified, final, whole runs count; what is left out is counted', async () => {
  const { experiments, bestSoFar, importance, points } = await view()
  expect(experiments).toEqual({
    ...{ created: 16, finished: 12, pending: 1, partial: 0, failed: 0, diverged: 1, withheld: 2 },
  })
  const best = campaign.experiments[7]!.id // lr 0.01, width 32
  expect(bestSoFar).toMatchObject({ n: 12, leftOut: 0, plateau: null })
  expect(bestSoFar!.steps.at(-1)).toMatchObject({ finished: 8, experimentId: best })
  expect(bestSoFar!.steps.at(-1)!.value).toBeCloseTo(3.005, 10)
  expect(importance).toMatchObject({ n: 12, parameters: null })
  expect(points).toBeUndefined()
})

test('slices, contour, front, curves and residuals say what the runs say', async () => {
  const { slices, contour, pareto, curves, residuals } = await view(
    '?x=lr&y=width&part=slices,contour,pareto,curves,residuals',
  )
  const width = slices!.parameters.find(({ name }) => name === 'width')!
  expect(width.bins.map(({ value, n }) => [value, n])).toEqual([
    [16, 6],
    [32, 6],
  ])
  expect(width.bins[0]!.mean! - width.bins[1]!.mean!).toBeCloseTo(0.1, 10)
  expect(contour).toMatchObject({ x: { name: 'lr' }, y: { name: 'width', values: [16, 32] }, n: 12 })
  expect(contour!.cells.reduce((sum, { n }) => sum + n, 0)).toBe(12)
  // The small network is worse and smaller: both widths are on the front, at the best rate.
  expect(pareto!.rows.map(({ experimentId, parameters }) => [experimentId, parameters])).toEqual([
    [campaign.experiments[7]!.id, 320],
    [campaign.experiments[6]!.id, 160],
  ])
  expect(curves!.curves).toHaveLength(12)
  expect(curves!.curves[0]).toMatchObject({ rank: 1, experimentId: campaign.experiments[7]!.id })
  expect(curves!.curves[0]!.points.at(-1)).toMatchObject({ fuel: 1, val: 3 })
  expect(residuals).toMatchObject({ experiments: 12, n: 24, leftOut: 0 })
  expect(residuals!.sd).toBeCloseTo(0, 10) // the seeds differ by the same everywhere
})

test('points come in columns, as many as asked for', async () => {
  const { points } = await view('?part=points&limit=5')
  expect(points).toMatchObject({ leftOut: 7, n: [2, 2, 2, 2, 2] })
  expect(points!.parameters.lr).toHaveLength(5)
  expect(points!.value.toSorted((a, b) => a - b)).toEqual(points!.value)
})

describe('a query is refused', () => {
  test.each([
    ['a part that there is none of', '?part=horoscope'],
    ['a parameter that the campaign does not vary', '?x=depth&y=lr'],
    ['one parameter for both axes', '?x=lr&y=lr'],
    ['more points than allowed', '?part=points&limit=10001'],
    ['another field', '?colour=blue'],
  ])('%s', async (_, query) => {
    expect((await get(query)).code).toBe('bad_request')
  })
})
