// Campaigns that stop runs early, on the real jobs: who goes on, what counts, what it costs, and that it would be decided again.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { CampaignFile } from '#protocol/campaign.ts'
import type { CampaignId } from '#protocol/units.ts'
import { searchOf } from '#search/campaign-search.ts'
import { historyAt } from '#search/history.ts'
import { firstRungOf, nextClimbs } from '#search/scheduler.ts'
import { balanceOf } from '#store/ledger.ts'
import { readLeaders } from '#store/views.ts'
import { runReport } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import { FUEL, type Lifecycle, lie, report, rows, startLifecycle, submit, take } from '#support/lifecycle.ts'
import { computeAll, historyOf } from '#support/searching.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
  await life.knex.raw(`update kernels set manifest = manifest || '{"rungs": true}'`)
})
afterEach(() => life.close())

type Pruner = 'asha' | 'hyperband' | 'median'
const search = (prune: Pruner, runs: number, seeds = 1) =>
  submit(life, {
    ...{ runs, seeds, quorum: 1, policy: 'fixed' },
    file: {
      space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } },
      ...{ sampler: { name: 'tpe', seed: 7, startup: 8 }, stop: { prune } },
    },
  })

const unitsByRung = () =>
  rows(life, `select rung, count(*)::int as n from work_units group by rung order by rung`)

/** Every proposal, and everybody who went on, decided again from the recorded history. */
async function replay(id: CampaignId, pruner: Pruner): Promise<void> {
  const { climbs, ...history } = await historyOf(life, id)
  const { file, manifest } = await one(
    life,
    `select c.file, k.manifest from campaigns c join kernels k on k.module_sha256 = c.kernel_sha256`,
  )
  const sampler = searchOf(CampaignFile.parse(file), manifest)
  if (!sampler.ok) throw new Error(sampler.detail)
  history.trials.forEach(({ recipe }, ordinal) => {
    const { proposals } = sampler.ask(historyAt(history, ordinal), 1)
    expect(proposals.map(each => each.recipe)).toEqual([recipe])
  })
  for (let asked = 0; asked <= history.reports.length; asked++) {
    const known = { ...history, reports: history.reports.slice(0, asked) }
    const before = climbs.filter(climb => climb.asked < asked)
    const isTried = history.trials.every(trial => trial.asked < asked)
    const next = nextClimbs({ pruner, goal: 'minimize', isTried }, known, before)
    const decided = climbs.filter(climb => climb.asked === asked)
    expect(next.toSorted((a, b) => a.ordinal - b.ordinal)).toEqual(decided)
  }
}

test.each<[Pruner, number]>([
  ['asha', 12],
  ['hyperband', 12],
  ['median', 10],
])('%s: who goes on and what is proposed follows from the recorded history', async (pruner, runs) => {
  const { id, owner, reservedMilli } = await search(pruner, runs)
  const host = await addHost(life, PROVEN)
  const computed = await computeAll(life, host)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  await replay(id, pruner)

  const { trials, climbs } = await historyOf(life, id)
  expect(trials).toHaveLength(runs)
  expect(computed).toBe(runs + climbs.length)
  const begun = trials.filter((_, ordinal) => firstRungOf(pruner, ordinal) === 3).length
  const whole = begun + climbs.filter(({ rung }) => rung === 3).length
  expect(whole).toBeGreaterThan(0)
  expect(whole).toBeLessThan(runs)
  // Only whole runs count.
  const leaders = await readLeaders(life.knex, { campaignId: id, goal: 'minimize', limit: 99 })
  expect(leaders).toHaveLength(whole)
  expect(await one(life, `select count(mean)::int as n from experiment_scores`)).toEqual({ n: whole })
  // Each is paid for its rung, within what was set aside for it, and the rest comes back.
  const bounds = { 0: 4, 1: 5, 2: 7, 3: 10 } // milli-credits
  const paid = await rows(
    life,
    `select w.rung, t.amount_milli::int as milli from transfers t join results r on r.id = t.result_id
     join work_units w on w.id = r.work_unit_id where t.kind = 'grant'`,
  )
  expect(paid).toHaveLength(computed)
  for (const { rung, milli } of paid as { rung: keyof typeof bounds; milli: number }[])
    expect(milli).toBe(bounds[rung])
  const spent = paid.reduce((sum: number, { milli }: { milli: number }) => sum + milli, 0)
  expect(spent).toBeLessThan(reservedMilli)
  expect(await balanceOf(life.knex, `user:${owner}`)).toBe(1_000_000 - spent)
})

test('a campaign of few runs makes one of them whole', async () => {
  await search('asha', 2)
  const host = await addHost(life, PROVEN)
  expect(await computeAll(life, host)).toBe(2 + 3)
  expect(await unitsByRung()).toEqual([
    { rung: 0, n: 2 },
    { rung: 1, n: 1 },
    { rung: 2, n: 1 },
    { rung: 3, n: 1 },
  ])
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

test('a rung is told as the mean over the seeds, once all are public, and all seeds go on', async () => {
  const { id } = await search('median', 1, 2)
  const host = await addHost(life, PROVEN)
  for (const value of [3, 4]) {
    expect((await historyOf(life, id)).reports).toEqual([])
    await report(life, host, await take(life, host), lie(value))
  }
  expect((await historyOf(life, id)).reports).toEqual([
    { ordinal: 0, outcome: { state: 'partial', rung: 0, value: 3.5 } },
  ])
  expect(await unitsByRung()).toEqual([
    { rung: 0, n: 2 },
    { rung: 1, n: 2 },
  ])
})

test('what diverges goes no further, and its sampler knows at which rung', async () => {
  const { id } = await search('asha', 4)
  const host = await addHost(life, PROVEN)
  const diverged = runReport({ status: 'diverged', metric: null, artifactSha256: null, fuelUsed: FUEL })
  let runs = 0
  await computeAll(life, host, () => (runs++ < 3 ? diverged : lie(4)))
  const { reports, climbs } = await historyOf(life, id)
  expect(reports.slice(0, 4)).toEqual([
    { ordinal: 0, outcome: { state: 'diverged', rung: 0 } },
    { ordinal: 1, outcome: { state: 'diverged', rung: 0 } },
    { ordinal: 2, outcome: { state: 'diverged', rung: 0 } },
    { ordinal: 3, outcome: { state: 'partial', rung: 0, value: 4 } },
  ])
  expect(new Set(climbs.map(({ ordinal }) => ordinal))).toEqual(new Set([3]))
})

test('when nothing gives a value the campaign ends', async () => {
  await search('asha', 3)
  const host = await addHost(life, PROVEN)
  const trapped = runReport({ status: 'trapped', metric: null, artifactSha256: null, fuelUsed: FUEL })
  expect(await computeAll(life, host, () => trapped)).toBe(3)
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

test('a host goes on with what it began, and another checks it', async () => {
  await submit(life, {
    ...{ runs: 2, seeds: 1, quorum: 2, policy: 'fixed' },
    file: {
      space: { lr: { log: [0.001, 0.1] } },
      sampler: { name: 'tpe', seed: 7 },
      stop: { prune: 'median' },
    },
  })
  const [ann, bob, eve] = [
    await addHost(life, PROVEN),
    await addHost(life, PROVEN),
    await addHost(life, PROVEN),
  ]
  const unitOf = async (resultId: string | undefined) =>
    one(
      life,
      `select e.ordinal, w.rung from results r join work_units w on w.id = r.work_unit_id
       join experiments e on e.id = w.experiment_id where r.id = '${resultId}'`,
    )
  for (const host of [ann, bob]) await report(life, host, await take(life, host), lie(3))
  expect(await unitsByRung()).toEqual([
    { rung: 0, n: 2 },
    { rung: 1, n: 1 },
  ])
  // Ann and Bob computed experiment 0 to its first rung; experiment 1 has waited longer than its second.
  const taken = []
  for (const host of [eve, ann, bob]) taken.push(await unitOf((await take(life, host))[0]))
  expect(taken).toEqual([
    { ordinal: 1, rung: 0 },
    { ordinal: 0, rung: 1 },
    { ordinal: 1, rung: 0 }, // somebody is at it: who checks is drawn as ever
  ])
})
