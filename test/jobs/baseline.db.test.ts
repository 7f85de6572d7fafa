import { afterEach, beforeEach, expect, test } from 'vitest'
import { readLeaders } from '#store/views.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, report, rows, startLifecycle, submit, take, unitStates } from '#support/lifecycle.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

test('the unchanged recipe is computed beside what is tried, once, on the same seeds, and marked', async () => {
  const spec = { runs: 2, seeds: 2, quorum: 1, policy: 'fixed', file: { baseline: true } } as const
  const { id } = await submit(life, spec)
  const host = await addHost(life)
  for (let run = 0; run < 6; run++) await report(life, host, await take(life, host))
  expect(await unitStates(life)).toBe(Array.from({ length: 6 }, () => 'valid published').join(', '))
  const leaders = await readLeaders(life.knex, { campaignId: id, goal: 'minimize', limit: 9 })
  expect(leaders.map(({ baseline, n }) => `${baseline} ${n}`).sort()).toEqual([
    'false 2',
    'false 2',
    'true 2',
  ])
  const unchanged = leaders.find(({ baseline }) => baseline)
  const [kernel] = await rows(
    life,
    `select manifest -> 'recipe' -> 'properties' as of from kernels where name = 'tiny'`,
  )
  const defaults = Object.entries(kernel?.of as Record<string, { default: unknown }>)
  expect(unchanged?.recipe).toEqual(Object.fromEntries(defaults.map(([name, of]) => [name, of.default])))
  const seeds = await rows(
    life,
    `select distinct array_agg(w.seed order by w.seed) as seeds from work_units w group by w.experiment_id`,
  )
  expect(seeds.length).toBe(1)
})

test('a campaign whose file wants none has none', async () => {
  await submit(life, { runs: 2, quorum: 1 })
  expect(await rows(life, 'select count(*)::int as n from experiments where baseline')).toEqual([{ n: 0 }])
})
