// Pauses, ends and revisions of campaigns, on the real jobs.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { CampaignFile } from '#protocol/campaign.ts'
import type { CampaignId } from '#protocol/units.ts'
import { pauseCampaign, resumeCampaign, reviseCampaign } from '#store/campaign-life.ts'
import { lockCampaign } from '#store/campaigns.ts'
import { inTransaction } from '#store/database.ts'
import { lockWorkUnits } from '#store/work-units.ts'
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
  wait,
} from '#support/lifecycle.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const DAY = 24 * 3600_000
const change = async (id: CampaignId, act: typeof pauseCampaign) => {
  await inTransaction(life.knex, async trx => {
    await act(trx, { id, by: 'owner', now: life.now() })
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
}
const states = async () =>
  Object.fromEntries(
    (await rows(life, `select state, count(*)::int as n from work_units group by state order by state`)).map(
      (row: { state: string; n: number }) => [row.state, row.n],
    ),
  )

test('a paused campaign hands out nothing, counts what is in progress, outlasts a month, and ends when it goes on', async () => {
  const { id } = await submit(life, { runs: 3, quorum: 1, policy: 'fixed' })
  const host = await addHost(life, PROVEN)
  const leased = await take(life, host)
  await change(id, pauseCampaign)
  expect(await take(life, host)).toEqual([])
  await report(life, host, leased, lie(3))
  expect(await states()).toEqual({ open: 2, valid: 1 })
  for (let day = 0; day < 31; day++) await wait(life, DAY)
  expect(await states()).toEqual({ open: 2, valid: 1 }) // seven days without a taker would have failed them
  expect(await campaignState(life)).toEqual({ state: 'running', settled: false })

  await change(id, resumeCampaign)
  await wait(life, 6 * DAY)
  expect(await states()).toEqual({ open: 2, valid: 1 }) // and so much patience is left
  for (let i = 0; i < 2; i++) await report(life, host, await take(life, host), lie(3))
  expect(await states()).toEqual({ valid: 3 })
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

const told = async () =>
  (await rows(life, `select event, experiment_id, detail from campaign_events order by xid, id`)).map(
    ({ event, detail }: { event: string; detail: string }) => `${event}: ${detail}`,
  )

test('what is done to a campaign, and what comes to lead it, is told once each', async () => {
  const { id } = await submit(life, { runs: 3, quorum: 1, policy: 'fixed' })
  const host = await addHost(life, PROVEN)
  for (const metric of [3, 4]) await report(life, host, await take(life, host), lie(metric))
  for (const act of [pauseCampaign, pauseCampaign, resumeCampaign, resumeCampaign]) await change(id, act)
  await report(life, host, await take(life, host), lie(2))
  const x = expect.stringMatching(/^best: e_\w+ leads with 3\.0000 \(n = 1\)$/)
  const y = expect.stringMatching(/^best: e_\w+ leads with 2\.0000 \(n = 1\)$/)
  expect(await told()).toEqual([
    ...[x, 'paused: its owner paused it', 'resumed: its owner resumed it'],
    ...[y, 'finished: it has come to its end'],
  ])
  const { best } = await one(life, `select best_experiment_id as best from campaigns`)
  expect(await one(life, `select mean from experiment_scores where experiment_id = '${best}'`)).toEqual({
    mean: 2,
  })
})

test('a paused campaign that has nothing left to create ends with its last run', async () => {
  const { id } = await submit(life, { runs: 1, quorum: 1, policy: 'fixed' })
  const host = await addHost(life, PROVEN)
  const leased = await take(life, host)
  await change(id, pauseCampaign)
  expect(await campaignState(life)).toEqual({ state: 'running', settled: false })
  await report(life, host, leased, lie(3))
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

test('whoever waited for a work unit while its campaign was resumed sees it resumed', async () => {
  const { id } = await submit(life, { runs: 1, quorum: 1, policy: 'fixed' })
  await change(id, pauseCampaign)
  const unit = (await one(life, `select id from work_units`)).id
  const patience = (on: Parameters<typeof lockWorkUnits>[0]) =>
    lockWorkUnits(on, [unit]).then(([loaded]) => loaded?.workUnit.giveUpMs)
  const paused = await life.knex.transaction(patience)
  const resuming = await life.knex.transaction()
  await resumeCampaign(resuming, { id, by: 'owner', now: life.now() })
  const waiting = life.knex.transaction(patience)
  const isWaiting = `select count(*) > 0 as some from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await expect.poll(() => one(life, isWaiting), { timeout: 10_000 }).toEqual({ some: true })
  await resuming.commit()
  expect(await waiting).toBeLessThan(paused ?? 0)
})

test('a paused campaign proposes nothing', async () => {
  const file = { space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'tpe', seed: 1 } }
  const { id } = await submit(life, { runs: 12, quorum: 1, policy: 'fixed', file })
  const host = await addHost(life, PROVEN)
  const leased = await take(life, host)
  await change(id, pauseCampaign)
  await report(life, host, leased, lie(3))
  expect(await one(life, `select count(*)::int as n from experiments`)).toEqual({ n: 8 })
  await change(id, resumeCampaign)
  expect(await one(life, `select count(*)::int as n from experiments`)).toEqual({ n: 9 })
})

test('a campaign is stopped when its time is over, paused or not', async () => {
  const file = { ends_by: new Date(life.now() + DAY).toISOString() }
  const { id } = await submit(life, { runs: 3, file })
  await change(id, pauseCampaign)
  life.advance(DAY)
  await change(id, async () => true) // as the sweep wakes it
  const end = await one(life, `select state, ended_by, ended_reason, paused_at from campaigns`)
  expect(end).toMatchObject({
    state: 'cancelled',
    ended_by: 'deadline',
    ended_reason: `ends_by ${file.ends_by}`,
    paused_at: null,
  })
  expect(await states()).toEqual({ cancelled: 3 })
})

test('a grid whose space is revised goes on in the new one, tries nothing twice, and what exists stays', async () => {
  const space = { lr: { choice: [0.01, 0.02, 0.03] }, width: { choice: [16] } }
  const { id } = await submit(life, { runs: 2, quorum: 1, policy: 'fixed', file: { space } })
  const host = await addHost(life, PROVEN)
  await inTransaction(life.knex, async trx => {
    const campaign = await lockCampaign(trx, id)
    if (campaign === undefined) throw new Error('it was submitted')
    const wider = { lr: { choice: [0.02, 0.01, 0.05] }, width: { choice: [16, 32] } }
    const budget = { ...campaign.file.budget, runs: 5 }
    const file = CampaignFile.parse({ ...campaign.file, space: wider, budget })
    const why = {
      author: 'agent',
      reason: 'the best lies at the edge',
      respaced: true,
      reserveMilli: 110,
    } as const
    expect(await reviseCampaign(trx, { campaign, file, ...why, now: life.now() })).toBe('revised')
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
  for (let i = 0; i < 5; i++) await report(life, host, await take(life, host), lie(3))
  expect(
    await rows(
      life,
      `select recipe->'lr' as lr, recipe->'width' as width, revision from experiments order by ordinal`,
    ),
  ).toEqual([
    { lr: 0.01, width: 16, revision: 1 },
    { lr: 0.02, width: 16, revision: 1 },
    { lr: 0.02, width: 32, revision: 2 },
    { lr: 0.01, width: 32, revision: 2 },
    { lr: 0.05, width: 16, revision: 2 },
  ])
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})
