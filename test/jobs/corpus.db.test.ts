import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCorpusPage } from '#store/corpus-rows.ts'
import { findResultOfUnit } from '#store/published.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  type Lifecycle,
  report,
  rows,
  startLifecycle,
  submit,
  take,
  unitStates,
} from '#support/lifecycle.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await life.close()
})

const PAY = 10 // milli-credits of one run at full fuel

test('a run that was published before is answered from the corpus: nothing is computed, nothing is paid', async () => {
  await submit(life, { runs: 2 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await report(life, a, await take(life, a, 2))
  await report(life, b, await take(life, b, 2))
  const { owner } = await submit(life, { runs: 3 })
  expect(await unitStates(life)).toBe(
    'valid published, valid published, valid published, valid published, open',
  )
  expect(await rows(life, `select count(*) as n, count(distinct result_id) as results from corpus`)).toEqual([
    { n: 4, results: 2 },
  ])
  for (const host of [a, b]) await report(life, host, await take(life, host, 3))
  expect(await balance(life, `host:${a}`)).toBe(3 * PAY) // three runs in all, though five were asked for
  expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
})

test('a campaign that the corpus answers as a whole ends at once and costs nothing', async () => {
  await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await report(life, a, await take(life, a))
  await report(life, b, await take(life, b))
  const { id, owner } = await submit(life, { runs: 1 })
  expect(await rows(life, `select state from campaigns where id = '${id}'`)).toEqual([{ state: 'finished' }])
  const [unit] = await rows(life, `select id from work_units where campaign_id = '${id}'`)
  const [first] = await rows(life, `select id from work_units where campaign_id <> '${id}'`)
  const answer = await findResultOfUnit(life.knex, unit.id)
  expect(answer).toMatchObject({ published: true, canonical: true, answeredFrom: first.id })
  const scope = { campaignId: id, from: null, until: null, withheld: [] }
  const exported = await readCorpusPage(life.knex, { ...scope, after: '', limit: 10 })
  expect(exported).toMatchObject([{ workUnitId: unit.id, answeredFrom: first.id, runKey: answer?.runKey }])
  expect(await balance(life, `user:${owner}`)).toBe(1_000_000)
})
