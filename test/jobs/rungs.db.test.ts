import { afterEach, beforeEach, expect, test } from 'vitest'
import { readLeaders } from '#store/views.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, report, rows, startLifecycle, submit, take, unitStates } from '#support/lifecycle.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

test('a run that ended early is published with its rung, and ranks nowhere', async () => {
  const { id } = await submit(life, { runs: 1, seeds: 2, quorum: 1, policy: 'fixed' })
  await life.knex.raw('update work_units set rung = 1 where seed_index = 0')
  const host = await addHost(life)
  for (let run = 0; run < 2; run++) await report(life, host, await take(life, host))
  expect(await unitStates(life)).toBe('valid published, valid published')
  expect(await rows(life, 'select rung, metric_value from corpus order by rung')).toEqual([
    { rung: 1, metric_value: 3.25 },
    { rung: 3, metric_value: 3.25 },
  ])
  expect(await rows(life, 'select rung, metric from work_units order by rung')).toEqual([
    { rung: 1, metric: null },
    { rung: 3, metric: 3.25 },
  ])
  expect(await rows(life, 'select n from experiment_scores')).toEqual([{ n: 1 }])
  expect(await readLeaders(life.knex, { campaignId: id, goal: 'minimize', limit: 9 })).toMatchObject([
    { n: 1, mean: 3.25 },
  ])
})

test('an experiment has each rung of a seed once', async () => {
  await submit(life, { runs: 1, seeds: 2 })
  const same = life.knex.raw('update work_units set seed_index = 0')
  await expect(same).rejects.toThrow('unique')
  await life.knex.raw(`update work_units set seed_index = 0, rung = 3 - seed_index`)
})
