// "Does the best rate depend on the width?", asked by a campaign and answered by the server's agent on the real jobs.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { runPropose } from '#jobs/propose.ts'
import { findInteraction } from '#store/interactions.ts'
import { listNotes } from '#store/notes.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, lie, rows, startLifecycle, submit } from '#support/lifecycle.ts'
import { computeInBatches, historyOf } from '#support/searching.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const start = (sampler: object, space: object, runs: number, fresh?: number) =>
  submit(life, {
    ...{ runs, seeds: 2, quorum: 1, policy: 'fixed' },
    file: {
      ...{ space, sampler },
      interaction: { best: 'lr', by: 'width', effect: 0.5, ...(fresh === undefined ? {} : { runs: fresh }) },
    },
  })

/** The best rate is 0.003 at width 16 and 0.03 at width 32, or wherever `at` says; the seed shifts a run. */
const depending =
  (at: (width: number) => number) =>
  ({ recipe: { lr, width }, seed }: { recipe: { lr: number; width: number }; seed: number }) => {
    const noise = ((seed * 7919 + width * 31 + Math.round(lr * 1e5)) % 11) / 1000
    return lie(3 + (Math.log10(lr) - at(width)) ** 2 + (seed % 10) / 100 + noise)
  }

const verdicts = () => rows(life, `select detail from campaign_events where event = 'verdict' order by id`)

test('the agent adds the cells that nobody tried, runs fresh seeds on all four, and says what came out and by what', async () => {
  const { id } = await start(
    { name: 'random', seed: 4 },
    { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } },
    8,
  )
  await computeInBatches(
    life,
    await addHost(life, PROVEN),
    depending(width => (width === 16 ? -2.5 : -1.5)),
  )
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  const row = await findInteraction(life.knex, id, { best: 'lr', by: 'width' })
  expect(row).toMatchObject({ state: 'depends', cells: { length: 4 } })
  const asked = row?.seedsAsked ?? 0
  expect(row?.costs).toHaveLength(asked)
  expect(asked).toBeGreaterThanOrEqual(5)
  expect(await verdicts()).toEqual([{ detail: 'does the best lr depend on width: depends' }])
  const { trials } = await historyOf(life, id)
  expect(trials.map(({ proposer }) => proposer).slice(8)).toEqual(['agent', 'agent'])
  const planned = await one(life, `select experiments_planned as planned, ended_by from campaigns`)
  expect(planned).toEqual({ planned: 10, ended_by: 'runs' })
  const fresh = await rows(
    life,
    `select experiment_id as id, count(*)::int as n from work_units where seed_index >= 1000000 group by 1`,
  )
  expect(fresh.map(({ n }: { n: number }) => n)).toEqual([asked, asked, asked, asked])
  const notes = await listNotes(life.knex, { campaignId: id, after: '', limit: 100 })
  expect(notes.map(({ kind }) => kind)).toEqual(['decision', 'insight'])
  expect(notes[0]?.text).toMatch(/^Does the best lr depend on width\? At width=16 the best is lr=0\.00/)
  expect(notes[1]?.text).toMatch(/It does: .*\nExchanging the choices costs \d+\.\d+ ± \d\.\d+ \(n = \d+\)/)
  expect(notes[1]?.evidence).toEqual(row?.cells)

  // A withdrawn run takes the answer with it.
  await life.knex.raw(
    `update corpus set retracted_at = published_at where work_unit_id = (
       select id from work_units where seed_index = 1000001 order by id limit 1)`,
  )
  await life.knex.raw(`update campaigns set settled_at = null`)
  await life.knex.raw(
    `with withdrawn as (update work_units set published_at = null where id = (
         select id from work_units where seed_index = 1000001 order by id limit 1) returning campaign_id, id)
     insert into live_units select * from withdrawn`,
  )
  await runPropose(life.deps, [id])
  expect(await findInteraction(life.knex, id, { best: 'lr', by: 'width' })).toMatchObject({
    ...{ state: 'running', costs: { length: 1 } },
  })
})

test('where both levels choose the same there is nothing to run, and that is said', async () => {
  const space = { lr: { choice: [0.003, 0.03] }, width: { choice: [16, 32] } }
  const { id } = await start({ name: 'grid' }, space, 4)
  await computeInBatches(
    life,
    await addHost(life, PROVEN),
    depending(() => -2.5),
  )
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  const row = await findInteraction(life.knex, id, { best: 'lr', by: 'width' })
  expect(row).toMatchObject({ state: 'same_choice', cells: [], why: expect.stringContaining('lr=0.003') })
  expect(await verdicts()).toEqual([{ detail: 'does the best lr depend on width: same choice' }])
})

test('where its runs are spent the question stays open', async () => {
  const space = { lr: { choice: [0.003, 0.03] }, width: { choice: [16, 32] } }
  const { id } = await start({ name: 'grid' }, space, 4, 20)
  // What screening shows is half gone on fresh seeds, among more noise than five of them can tell apart.
  const noisy = ({
    recipe: { lr, width },
    seed,
  }: {
    recipe: { lr: number; width: number }
    seed: number
  }) => {
    const noise = seed < 2 ? seed / 10 : ((seed * 7919 + width * 37 + lr * 1000) % 13) / 13
    return lie(3 + ((lr === 0.003) === (width === 16) ? 0 : 0.2) + noise)
  }
  await computeInBatches(life, await addHost(life, PROVEN), noisy)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  expect(await findInteraction(life.knex, id, { best: 'lr', by: 'width' })).toMatchObject({
    ...{ state: 'undecided', seedsAsked: 5 },
  })
})
