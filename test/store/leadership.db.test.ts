import { afterEach, beforeEach, expect, test } from 'vitest'
import { isUnavailable } from '#store/errors.ts'
import { type Leadership, openLeadership } from '#store/leadership.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

let database: TestDatabase
const closers: (() => Promise<void>)[] = []
beforeEach(async () => {
  database = await freshDatabase()
})
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
  await database.drop()
})

function candidate(name: string, lock = 1): Leadership {
  const opened = openLeadership({ connectionString: database.connectionString, lock, name })
  closers.push(opened.close)
  return opened
}

const asked = (candidates: readonly Leadership[]): Promise<boolean[]> =>
  Promise.all(candidates.map(({ leads }) => leads()))

test('one of any number leads, whoever else asks and however often, until it lets go', async () => {
  const all = ['a', 'b', 'c'].map(name => candidate(name))
  const first = await asked(all)
  expect(first.filter(Boolean)).toHaveLength(1)
  for (let i = 0; i < 5; i++) expect(await asked(all)).toEqual(first)
  const leader = first.indexOf(true)
  await all[leader]?.close()
  const second = await asked(all)
  expect(second.filter(Boolean)).toHaveLength(1)
  expect(second[leader]).toBe(false)
  expect(await candidate('of something else', 2).leads()).toBe(true)
})

test('a leader whose session was ended knows at its next question, when another one leads', async () => {
  const [old, next] = [candidate('old'), candidate('next')]
  expect(await old.leads()).toBe(true)
  expect(await next.leads()).toBe(false)
  const ended = `select pg_terminate_backend(pid, 5000) as done from pg_stat_activity where application_name = 'old'`
  expect((await database.knex.raw(ended)).rows).toEqual([{ done: true }])
  expect(await next.leads()).toBe(true)
  // By now it has a new session, or it is told of the end of the old one in place of an answer.
  const answer = await old.leads().catch((error: unknown) => (isUnavailable(error) ? 'lost' : error))
  expect([false, 'lost']).toContain(answer)
  expect(await old.leads()).toBe(false)
  expect(await next.leads()).toBe(true)
  await next.close()
  expect(await old.leads()).toBe(true)
})

test('where no database answers nobody leads, and the refusal is one that passes', async () => {
  const nobody = openLeadership({ connectionString: 'postgres://127.0.0.1:1/x', lock: 1, name: 'nobody' })
  closers.push(nobody.close)
  const refusals = await Promise.allSettled([nobody.leads(), nobody.leads()])
  expect(refusals.map(each => each.status === 'rejected' && isUnavailable(each.reason))).toEqual([true, true])
})
