// Several proposers in one campaign, on the real jobs: samplers and proposals from outside share its budget.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { recipeSha256Of } from '#domain/recipe.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { OUTSIDE } from '#protocol/space.ts'
import type { CampaignId, UserId } from '#protocol/units.ts'
import { promotedIn, standingsOf } from '#search/bandit.ts'
import { searchOf } from '#search/campaign-search.ts'
import { historyAt } from '#search/history.ts'
import { reviseCampaign } from '#store/campaign-life.ts'
import { lockCampaign } from '#store/campaigns.ts'
import { inTransaction } from '#store/database.ts'
import { listNotes } from '#store/notes.ts'
import { insertWaiting, listPromoted, listWaiting } from '#store/proposers.ts'
import { testIds } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, lie, rows, runJobs, startLifecycle, submit } from '#support/lifecycle.ts'
import { computeInBatches, historyOf } from '#support/searching.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const SAMPLER = { name: 'tpe', seed: 5, startup: 8, beside: ['random', OUTSIDE] }

const start = (runs: number, sampler: object = SAMPLER) =>
  submit(life, {
    ...{ runs, seeds: 2, quorum: 1, policy: 'fixed' },
    file: {
      space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } },
      sampler,
      stop: { sprt: { effect: 0.1 } },
    },
  })

/** Has so many recipes wait that nobody else would propose. */
async function propose(id: CampaignId, proposerId: UserId, lrs: readonly number[]): Promise<void> {
  await inTransaction(life.knex, async trx => {
    const waiting = lrs.map(lr => {
      const recipe = { lr, width: 32 }
      return { id: testIds.experiment(life.now()), recipe, recipeSha256: recipeSha256Of(recipe), proposerId }
    })
    await insertWaiting(trx, id, { rows: waiting, now: life.now() })
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
}

/** What came out of a recipe: best at a rate of 0.01, the same for every seed but a little. */
const outcome = ({ recipe: { lr, width }, rung }: { recipe: { lr: number; width: number }; rung: number }) =>
  lie(3 + (Math.log10(lr) + 2) ** 2 + (width === 16 ? 0.1 : 0) + (3 - rung))

async function fileOf() {
  const { file, manifest } = await one(
    life,
    `select c.file, k.manifest from campaigns c join kernels k on k.module_sha256 = c.kernel_sha256`,
  )
  return { file: CampaignFile.parse(file), manifest }
}

test('two samplers and proposals from outside share a campaign; every proposal and whose turn it was can be computed again', async () => {
  const { id, owner } = await start(44)
  await propose(id, owner, [0.0101, 0.0102, 0.0103, 0.05])
  await computeInBatches(life, await addHost(life, PROVEN), outcome)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  expect(await listWaiting(life.knex, id)).toEqual([])

  const history = await historyOf(life, id)
  expect(history.trials).toHaveLength(44)
  const proposers = history.trials.map(({ proposer }) => proposer)
  expect(proposers.filter(each => each === OUTSIDE)).toHaveLength(4)
  expect(proposers.filter(each => each === 'tpe').length).toBeGreaterThan(5)
  expect(proposers.filter(each => each === 'random').length).toBeGreaterThan(5)
  expect(history.trials.map(({ isOutside }) => isOutside)).toEqual(proposers.map(each => each === OUTSIDE))

  const { file, manifest } = await fileOf()
  const search = searchOf(file, manifest)
  if (!search.ok) throw new Error(search.detail)
  for (const [ordinal, { recipe, proposer }] of history.trials.entries()) {
    const waiting = proposer === OUTSIDE ? [recipe] : []
    const [again] = search.ask(historyAt(history, ordinal), 1, waiting).proposals
    expect([again?.proposer, again?.recipe]).toEqual([proposer, recipe])
  }

  // What the tests promoted while there was something to try was told, by whom it was proposed, and said in a note.
  const promoted = await listPromoted(life.knex, id)
  expect(promoted.length).toBeGreaterThan(0)
  const told = promotedIn(history)
  expect(told.size).toBeGreaterThan(0)
  const sum = standingsOf(['tpe', 'random', OUTSIDE], history).reduce((n, each) => n + each.promoted, 0)
  expect(sum).toBe(told.size)
  expect(history.trials.at(-1)?.promotions).toBe(history.promotions.length)
  const notes = await listNotes(life.knex, { campaignId: id, after: '', limit: 100 })
  const note = notes.find(({ text }) => text.includes('Who proposes what is tried next'))
  expect(note?.text).toMatch(/which (tpe|random|propose) proposed, passed its test\./)
  expect(note?.evidence).toHaveLength(1)
})

test('whoever dies between the choice of a proposer and the record of it has changed nothing', async () => {
  const { ids } = life.deps
  let deaths = 0
  const dies = () => {
    deaths++
    throw new Error('killed')
  }
  Object.assign(life.deps, { ids: { ...ids, workUnit: dies } }) // work units are made last
  const { id, owner } = await start(30)
  await propose(id, owner, [0.0444])
  expect(deaths).toBeGreaterThan(0)
  const nothing = { trials: [], reports: [], promotions: [] }
  expect(await historyOf(life, id)).toMatchObject(nothing)
  expect(await listWaiting(life.knex, id)).toHaveLength(1)

  Object.assign(life.deps, { ids })
  await inTransaction(life.knex, trx => life.wake.campaigns(trx, [id]))
  await runJobs(life)
  const { file, manifest } = await fileOf()
  const search = searchOf(file, manifest)
  const again = search.ok ? search.ask(nothing, 8, [{ lr: 0.0444, width: 32 }]).proposals : []
  const { trials } = await historyOf(life, id)
  expect(trials.map(({ proposer, recipe }) => [proposer, recipe])).toEqual(
    again.map(({ proposer, recipe }) => [proposer, recipe]),
  )
})

test('when a revision takes those outside from among the proposers, what waits begins at once', async () => {
  const { id, owner } = await start(20)
  await propose(id, owner, [0.03, 0.031, 0.032])
  const waiting = await listWaiting(life.knex, id)
  const { file } = await fileOf()
  await inTransaction(life.knex, async trx => {
    const campaign = await lockCampaign(trx, id)
    if (campaign === undefined) throw new Error('it is there')
    const sampler = { ...file.sampler, beside: ['evolution' as const] }
    await reviseCampaign(trx, {
      ...{ campaign, file: { ...file, sampler }, author: 'owner', reason: 'nobody answers', respaced: false },
      ...{ reserveMilli: campaign.reservedMilli, now: life.now() },
    })
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
  expect(await listWaiting(life.knex, id)).toEqual([])
  const begun = await rows(
    life,
    `select id from experiments e where proposer = 'propose'
       and exists (select from work_units w where w.experiment_id = e.id) order by ordinal`,
  )
  expect(begun.map((row: { id: string }) => row.id)).toEqual(
    expect.arrayContaining(waiting.map(({ id: each }) => each)),
  )
})
