import { afterAll, beforeAll, expect, test } from 'vitest'
import { addMs } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { countSpent, readSpent } from '#store/spent.ts'
import { addUser } from '#support/builders.ts'
import { addPublished } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const DAY_MS = 24 * 3600_000

test('what was spent is the same however much of it was counted before, and each result is counted once', async () => {
  const { knex } = server.database
  const owner = await addUser(knex, 'spender')
  const experiments = [
    { recipe: { lr: 0.1 }, values: [2, 2.1, 2.2] },
    { recipe: { lr: 0.2 }, values: [3] },
  ]
  await addPublished(knex, server, { owner: owner.id, file: {}, experiments })
  const now = server.now()
  await knex.raw(
    `update results r set reported_at = cast(? as timestamptz) - n.day * interval '1 day 1 minute', cpu_ms = 3600000
    from (select id, row_number() over (order by id) as day from results where outcome = 'success') n where n.id = r.id`,
    [new Date(now)],
  )
  const before = await readSpent(knex, now)
  expect(before.results).toBeGreaterThan(3)
  expect(before.coreHours).toBeCloseTo(before.results)
  expect(before.dayResults).toBe(0)
  const count = (at: typeof now) => inTransaction(knex, trx => countSpent(trx, at))
  await count(addMs(now, -2 * DAY_MS))
  expect(await readSpent(knex, now)).toEqual(before)
  await Promise.all([count(now), count(addMs(now, 1)), count(now)])
  expect(await readSpent(knex, now)).toEqual(before)
  await count(addMs(now, -3 * DAY_MS)) // never back
  await knex.raw('update results set reported_at = ? where id = (select min(id) from results)', [
    new Date(now),
  ])
  const later = await readSpent(knex, addMs(now, 1))
  expect([later.results, later.dayResults]).toEqual([before.results + 1, 1])
})
