// Campaigns that test what they promote, on the real jobs.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { tellLateVerdicts } from '#jobs/verdicts.ts'
import type { CampaignId, HostId } from '#protocol/units.ts'
import { listNotes } from '#store/notes.ts'
import { readTests } from '#store/tests.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, lie, report, rows, startLifecycle, submit, take } from '#support/lifecycle.ts'
import { campaignState, one, PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const start = (effect: number, sprt: object = {}, runs = 3) =>
  submit(life, {
    ...{ runs, seeds: 3, quorum: 1, policy: 'fixed' },
    file: {
      recipe: { lr: 0.01 },
      space: { width: { choice: [8, 16, 32, 64].slice(0, runs) } },
      stop: { sprt: { effect, ...sprt } },
    },
  })

/** Computes what the host is given until it is given nothing; the seed shifts a run, the width decides how good it is. */
async function computeAll(host: HostId, gain: number): Promise<void> {
  for (;;) {
    const [id] = await take(life, host)
    if (id === undefined) return
    const { recipe, index } = await one(
      life,
      `select e.recipe, w.seed_index as index from results r join work_units w on w.id = r.work_unit_id
       join experiments e on e.id = w.experiment_id where r.id = '${id}'`,
    )
    const noise = ((index * 7919 + recipe.width * 104729) % 11) / 1000
    await report(life, host, [id], lie(3 + index / 100 + noise - (recipe.width === 32 ? gain : 0)))
  }
}

const statesOf = async (id: Parameters<typeof readTests>[1]) =>
  (await readTests(life.knex, id)).map(({ state }) => state)

test('what is better on fresh paired seeds is promoted over the unchanged recipe, and the notes say by what', async () => {
  const { id } = await start(0.1)
  await computeAll(await addHost(life, PROVEN), 0.15)
  const [first, ...others] = await readTests(life.knex, id)
  expect(first).toMatchObject({ number: 1, state: 'promoted', firstSeed: 3 })
  expect(first?.gains.length).toBeGreaterThanOrEqual(5)
  expect(others).toEqual([])
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  expect(await one(life, `select ended_by from campaigns`)).toEqual({ ended_by: 'runs' })
  const notes = await listNotes(life.knex, { campaignId: id, after: '', limit: 100 })
  expect(notes.map(({ kind }) => kind)).toEqual(['decision', 'insight', 'insight'])
  expect(notes[1]?.text).toMatch(
    /Test 1: .* is better than .*\nMean gain over fresh pairs 0\.1\d+ ± 0\.0\d+ \(n = \d+\)/,
  )
  // Both sides ran the same fresh seeds, and the sampler heard of none of them.
  const seeds = await rows(
    life,
    `select e.id, array_agg(w.seed_index order by w.seed_index) as seeds from work_units w
     join experiments e on e.id = w.experiment_id where w.seed_index >= 3 group by e.id`,
  )
  expect(seeds).toHaveLength(2)
  expect(seeds[0].seeds).toEqual(seeds[1].seeds)
  await waitsForTheVerifier(id)
})

/** The same verdict, where who leads is shown only when the verifier has seen it. */
async function waitsForTheVerifier(id: CampaignId): Promise<void> {
  const told = () =>
    rows(life, `select detail from campaign_events where campaign_id = '${id}' and event = 'verdict'`)
  const strict = { ...life.deps, trust: { ...life.deps.trust, leaderRows: 2 } }
  expect(await told()).toEqual([{ detail: 'test 1: promoted' }])
  await rows(life, `update campaign_tests set told = 'running'`)
  await tellLateVerdicts(strict, id)
  expect(await told()).toHaveLength(1)
  await rows(life, `update results set trusted = true where verdict = 'valid'`)
  for (let again = 0; again < 2; again++) await tellLateVerdicts(strict, id)
  expect(await told()).toHaveLength(2)
}

test('a gain below half the effect is not worth a test', async () => {
  const { id } = await start(0.1)
  await computeAll(await addHost(life, PROVEN), 0.03)
  expect(await statesOf(id)).toEqual([])
  expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
})

test('when the budget for tests is spent, what is open stays undecided', async () => {
  const { id } = await start(0.1, { runs: 10, alpha: 1e-9 })
  await computeAll(await addHost(life, PROVEN), 0.06)
  expect(await statesOf(id)).toEqual(['undecided'])
  expect(await one(life, `select count(*)::int as n from work_units where seed_index >= 3`)).toEqual({
    n: 10,
  })
})
