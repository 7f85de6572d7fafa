// Campaigns whose sampler learns, on the real jobs: what it is told, what it proposes, and that it would propose it again.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CampaignFile } from '#protocol/campaign.ts'
import { searchOf } from '#search/campaign-search.ts'
import { historyAt } from '#search/history.ts'
import { inTransaction } from '#store/database.ts'
import { insertExperiments } from '#store/progress.ts'
import { sha256, testIds } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import {
  type Lifecycle,
  lie,
  report,
  rows,
  runJobs,
  startLifecycle,
  submit,
  take,
} from '#support/lifecycle.ts'
import { BEST, computeAll, historyOf } from '#support/searching.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const SPACE = { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } }
const search = (runs: number, file: object = {}, seeds = 1) =>
  submit(life, {
    ...{ runs, seeds, quorum: 1, policy: 'fixed' },
    file: { space: SPACE, sampler: { name: 'tpe', seed: 7, startup: 8 }, ...file },
  })

test('a campaign is searched to its end; every proposal can be computed again from what the sampler was told', async () => {
  const { id } = await search(40)
  expect(await one(life, `select count(*)::int as n from experiments`)).toEqual({ n: 8 }) // the others wait for outcomes
  const host = await addHost(life, PROVEN)
  expect(await computeAll(life, host)).toBe(40)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })

  const history = await historyOf(life, id)
  expect(history.trials).toHaveLength(40)
  expect(new Set(history.trials.map(trial => trial.asked)).size).toBeGreaterThan(10)
  const { file, manifest } = await one(
    life,
    `select c.file, k.manifest from campaigns c join kernels k on k.module_sha256 = c.kernel_sha256`,
  )
  const sampler = searchOf(CampaignFile.parse(file), manifest)
  if (!sampler.ok) throw new Error(sampler.detail)
  for (let ordinal = 0; ordinal < 40; ordinal++) {
    const reply = sampler.ask(historyAt(history, ordinal), 1)
    expect(reply.proposals.map(({ recipe }) => recipe)).toEqual([history.trials[ordinal]?.recipe])
  }
  // It learnt: of the last ten most lie nearer to the best than even draws would on average.
  const near = history.trials
    .slice(-10)
    .filter(({ recipe }) => Math.abs(Math.log10(Number(recipe.lr)) - BEST) < 0.5)
  expect(near.length).toBeGreaterThan(6)
})

test('an outcome is the mean over the seeds, told once all of them are public', async () => {
  const { id } = await search(9, {}, 2)
  const host = await addHost(life, PROVEN)
  for (const value of [3, 4]) {
    expect((await historyOf(life, id)).reports).toEqual([])
    const [resultId] = await take(life, host)
    if (resultId === undefined) throw new Error('there is work')
    await report(life, host, [resultId], lie(value))
  }
  expect((await historyOf(life, id)).reports).toEqual([
    { ordinal: 0, outcome: { state: 'finished', value: 3.5 } },
  ])
})

test('what somebody outside proposes is computed, told to the sampler, and no part of what it would propose', async () => {
  const { id, owner } = await search(20)
  const recipe = { lr: 0.0101, width: 32 }
  await inTransaction(life.knex, async trx => {
    const outside = {
      recipe,
      recipeSha256: sha256('outside'),
      asked: 0,
      revision: 1,
      proposerId: owner,
      proposer: 'propose' as const,
      promotions: 0,
    }
    const experiment = { id: testIds.experiment(life.now()), ordinal: 8, ...outside }
    await insertExperiments(trx, id, [experiment], life.now())
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
  const host = await addHost(life, PROVEN)
  expect(await computeAll(life, host)).toBe(20)
  const { trials, reports } = await historyOf(life, id)
  expect(trials.map(trial => trial.isOutside)).toEqual(Array.from({ length: 20 }, (_, i) => i === 8))
  expect(reports.find(({ ordinal }) => ordinal === 8)?.outcome).toMatchObject({ state: 'finished' })
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

describe('a campaign that', () => {
  test('runs out of recipes ends with those that it has', async () => {
    const constraints = ['width == 16']
    const space = { lr: { choice: [0.01, 0.02] }, width: { choice: [16, 32] } }
    await search(3, { space, constraints, sampler: { name: 'random', seed: 1 } })
    const host = await addHost(life, PROVEN)
    expect(await computeAll(life, host)).toBe(2)
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
    expect(life.logged.map(({ message }) => message)).toContain('a campaign ends before its plan')
  })

  test('has conditions and constraints keeps them', async () => {
    const space = { lr: { log: [0.001, 0.1], when: 'width == 16' }, width: { choice: [16, 32] } }
    await search(12, { space, constraints: ['width == 16 or lr > 0'], sampler: { name: 'sobol', seed: 3 } })
    const recipes = (await rows(life, `select recipe from experiments`)).map(
      (row: { recipe: { width: number } }) => row.recipe,
    )
    expect(recipes.filter(({ width }: { width: number }) => width === 32).length).toBeLessThan(2) // they differ in nothing
  })
})
