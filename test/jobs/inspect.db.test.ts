import { afterEach, beforeEach, expect, test } from 'vitest'
import { drawAudits } from '#jobs/economics.ts'
import { inspectLedger, inspectUnits } from '#jobs/inspect.ts'
import { countAlerts, listAlerts, resolveAlert } from '#store/inspection.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, report, runJobs, startLifecycle, submit, take } from '#support/lifecycle.ts'
import { compute, PROVEN, STRANGER, VERIFIER } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
  await submit(life, { runs: 4 })
  const [a, b] = [await addHost(life, STRANGER), await addHost(life, STRANGER)]
  for (let i = 0; i < 2; i++) {
    const ids = await take(life, a)
    await compute(life, b)
    await report(life, a, ids)
  }
  await compute(life, await addHost(life, PROVEN)) // stands alone
  await take(life, a) // one is out
})
afterEach(() => life.close())

const alerts = async () => (await listAlerts(life.knex, { all: false, limit: 100 })).map(row => row.detail)

test('a sound grid raises no alert', async () => {
  expect(await inspectUnits(life.deps)).toEqual([])
  expect(await inspectLedger(life.deps)).toEqual([])
  expect(await countAlerts(life.knex)).toBe(0)
})

test('nor does one whose verifier overturned an answer, whose host cheated, or which is checked after publication', async () => {
  const [other, liar] = [await addHost(life, PROVEN), await addHost(life, PROVEN)]
  await compute(life, other) // the partner of the one that is out
  await submit(life, { runs: 9 }) // what the corpus knows already it answers
  await compute(life, liar, 2.5)
  life.advance(24 * 3600_000)
  expect((await drawAudits(life.deps)).length).toBeGreaterThan(0)
  await runJobs(life)
  const verifier = await addHost(life, VERIFIER)
  for (let i = 0; i < 4; i++) {
    expect(await inspectUnits(life.deps)).toEqual([])
    await compute(life, verifier)
  }
  const overturned = `select count(*) > 0 as some from campaign_events where event = 'overturned'`
  expect((await life.knex.raw(overturned)).rows).toEqual([{ some: true }])
  expect(await inspectUnits(life.deps)).toEqual([])
  expect(await inspectLedger(life.deps)).toEqual([])
})

const valid = `(select min(id) from work_units where state = 'valid')`
const aResult = `(select min(id) from results where work_unit_id = ${valid})`

test.each([
  [
    'a verdict',
    `update results set verdict = 'inconclusive', granted_milli = 0, granted_decision = null where id =
    (select canonical_result_id from work_units where id = ${valid})`,
    /canonical result .* has the verdict/,
  ],
  [
    'a verdict in an open unit',
    `update results set verdict = 'valid' where id = (select min(r.id) from results r
    where r.outcome = 'success'); update work_units set state = 'open', canonical_result_id = null, closed_at = null,
    published_at = null, metric = null where id = ${valid}`,
    /it is open, and its result .* was given/,
  ],
  ['a digest', `update results set digest = repeat('0', 64) where id = ${aResult}`, /another digest/],
  ['a metric', `update work_units set metric = 0.1 where id = ${valid}`, /its metric 0.1 is not/],
  [
    'a grant',
    `update results set granted_milli = 11 where id = ${aResult}`,
    /was granted 11, and the ledger says 10/,
  ],
  [
    'the corpus',
    `update corpus set metric_value = 0.1 where work_unit_id = ${valid}`,
    /the corpus has another metric/,
  ],
  ['publication', `delete from corpus where work_unit_id = ${valid}`, /the corpus does not have it/],
  [
    'the embargo',
    `update work_units set published_at = null where id = ${valid}`,
    /not published, and the corpus has it/,
  ],
  [
    'what is not published',
    `insert into live_units (campaign_id, work_unit_id) select campaign_id, id from work_units where id = ${valid}`,
    /it is listed among what is not published/,
  ],
  [
    'a report after publication',
    `update results set reported_at = '2030-01-01' where id = ${aResult}`,
    /it was published while result .* was out/,
  ],
])('a corrupted row raises an alert: %s', async (_what, sql, detail) => {
  for (const statement of sql.split(';')) await life.knex.raw(statement)
  await inspectUnits(life.deps)
  expect((await alerts()).join('; ')).toMatch(detail)
  expect(life.logged.filter(line => line.level === 'error')).toHaveLength(1)
})

test.each([
  [
    'a balance',
    `update accounts set balance_milli = balance_milli + 1 where name like 'escrow:%'`,
    /its balance is \d+, and its transfers give \d+/,
  ],
  [
    'an amount',
    `alter table transfers disable trigger all; update transfers set amount_milli = amount_milli + 1
    where kind = 'grant' and id = (select min(id) from transfers where kind = 'grant')`,
    /its escrow is not/,
  ],
  [
    'what became final and was not handed over',
    `delete from provisional_results`,
    /it holds 10, and its results that are not final were granted 0/,
  ],
])('a corrupted ledger raises an alert: %s', async (_what, sql, detail) => {
  for (const statement of sql.split(';')) await life.knex.raw(statement)
  await inspectLedger(life.deps)
  expect((await alerts()).join('; ')).toMatch(detail)
})

test('an alert stays one until an operator resolves it, and comes back if nothing was mended', async () => {
  await life.knex.raw(`update work_units set metric = 0.1 where id = ${valid}`)
  await inspectUnits(life.deps)
  await inspectUnits(life.deps)
  const [alert] = await listAlerts(life.knex, { all: false, limit: 100 })
  expect(await countAlerts(life.knex)).toBe(1)
  expect(await resolveAlert(life.knex, alert?.id ?? 0, life.now())).toBe(1)
  expect(await countAlerts(life.knex)).toBe(0)
  await inspectUnits(life.deps)
  expect(await countAlerts(life.knex)).toBe(1)
})
