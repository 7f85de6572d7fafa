import { afterEach, beforeEach, expect, test } from 'vitest'
import { moveUnits } from '#jobs/units.ts'
import { type CampaignId, WorkUnitId } from '#protocol/units.ts'
import { endCampaign } from '#store/campaign-life.ts'
import { inTransaction } from '#store/database.ts'
import { freeLeases } from '#store/leases.ts'
import { addHost, answerSelfTest } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  DEADLINE,
  type Lifecycle,
  lie,
  report,
  reportError,
  reportOnly,
  rows,
  runJobs,
  startLifecycle,
  story,
  submit,
  take,
  unitStates,
  wait,
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

test('two strangers agree: the unit is valid, both are paid, the corpus has it, and the rest goes back', async () => {
  const { owner, reservedMilli } = await submit(life, { runs: 1 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await report(life, a, await take(life, a))
  expect(await story(life)).toBe('pending, unsent')
  await report(life, b, await take(life, b))
  expect(await story(life)).toBe('valid, valid')
  expect(await unitStates(life)).toBe('valid published')
  expect([await balance(life, `host:${a}`), await balance(life, `host:${b}`)]).toEqual([PAY, PAY])
  expect(await rows(life, `select status, metric_value, replicas from corpus`)).toEqual([
    { status: 'ok', metric_value: 3.25, replicas: 2 },
  ])
  expect(await rows(life, `select state, settled_at is not null as settled from campaigns`)).toEqual([
    { state: 'finished', settled: true },
  ])
  expect(reservedMilli).toBe(22)
  expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
})

test('leases that are taken away from a host are due at once, and somebody else computes the run', async () => {
  await submit(life, { runs: 1, quorum: 1, policy: 'fixed' })
  const [out, other] = [await addHost(life), await addHost(life)]
  await take(life, out)
  await inTransaction(life.knex, trx => freeLeases(trx, [out], life.now()))
  await wait(life, 0)
  await report(life, other, await take(life, other))
  await wait(life, 1)
  expect(await unitStates(life)).toBe('valid published')
})

test('handlers that run twice change nothing and pay nobody twice', async () => {
  const { id } = await submit(life, { runs: 3 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await reportOnly(life, a, await take(life, a, 3))
  await reportOnly(life, b, await take(life, b, 3))
  const ids = (await rows(life, `select id from work_units order by id`)).map((row: { id: string }) =>
    WorkUnitId.parse(row.id),
  )
  const alone = ['transition', 'validate', 'validate', 'transition', 'assimilate', 'assimilate'] as const
  for (const stage of alone) await moveUnits(life.deps, ids, [stage])
  await moveUnits(life.deps, ids)
  await runJobs(life)
  expect(await unitStates(life)).toBe('valid published, valid published, valid published')
  expect(await balance(life, `host:${a}`)).toBe(3 * PAY)
  expect(await rows(life, `select count(*) as n from transfers where kind = 'grant'`)).toEqual([{ n: 6 }])
  expect(await balance(life, `escrow:${id}`)).toBe(0)
})

test('strangers disagree: a trusted re-run settles it, the liar is invalid and gets nothing', async () => {
  await submit(life, { runs: 1 })
  const [good, liar, verifier] = [
    await addHost(life),
    await addHost(life),
    await addHost(life, { trusted: true }),
  ]
  await report(life, good, await take(life, good))
  await report(life, liar, await take(life, liar), lie(1))
  expect(await unitStates(life)).toBe('open disputed')
  expect(await story(life)).toBe('pending, pending, check unsent')
  expect(await take(life, await addHost(life))).toEqual([]) // a check is not for strangers
  await report(life, verifier, await take(life, verifier))
  expect(await story(life)).toBe('valid, invalid, check valid')
  expect(await unitStates(life)).toBe('valid disputed published')
  expect(await balance(life, `host:${good}`)).toBe(PAY)
  expect([await balance(life, `host:${liar}`), await balance(life, `host:${verifier}`)]).toEqual([0, 0])
  const [event] = await rows(
    life,
    `select detail from host_events where host_id = '${liar}' and event = 'differs_from_trusted'`,
  )
  expect(event.detail).toContain('the traces differ from mark 1 of 8')
  expect(await rows(life, `select recent_checks from hosts where id = '${good}'`)).toEqual([
    { recent_checks: '=' },
  ])
})

test('three lies that a trusted host refutes, and sound self-tests: the liar is excluded, what it holds is free, a fourth counts for nothing', async () => {
  await submit(life, { runs: 5, policy: 'fixed' })
  const [good, liar, verifier] = [
    await addHost(life),
    await addHost(life),
    await addHost(life, { trusted: true }),
  ]
  const lies = await take(life, liar, 4)
  await report(life, good, await take(life, good, 4))
  await reportOnly(life, liar, lies.slice(3), lie(1))
  const held = await take(life, liar, 1)
  for (const [n, id] of lies.slice(0, 3).entries()) await report(life, liar, [id], lie(n + 2))
  await report(life, verifier, await take(life, verifier, 3))
  expect(await rows(life, `select state, recent_checks, self_test from hosts where id = '${liar}'`)).toEqual([
    { state: 'active', recent_checks: 'xxx', self_test: 'demanded' },
  ])
  expect(await take(life, liar)).toEqual([]) // nothing before it has tested itself
  await answerSelfTest(life, liar, true)
  expect(await rows(life, `select state from hosts where id = '${liar}'`)).toEqual([{ state: 'quarantined' }])
  expect(await rows(life, `select outcome from results where id = '${held[0]}'`)).toEqual([
    { outcome: 'cancelled' },
  ])
  expect(life.logged.filter(line => line.level === 'warn').map(line => line.message)).toEqual([
    'hosts were excluded',
  ])
  const verdicts = `select verdict from results where host_id = '${liar}' order by id`
  expect(await rows(life, `${verdicts} limit 4`)).toMatchObject([
    ...Array(3).fill({ verdict: 'invalid' }),
    { verdict: 'pending' }, // disputed: it waits for the verifier with the other one
  ])
  await report(life, verifier, await take(life, verifier, 3))
  expect(await rows(life, `${verdicts} limit 4`)).toMatchObject(Array(4).fill({ verdict: 'invalid' }))
  expect(await balance(life, `host:${liar}`)).toBe(0)
  expect(await balance(life, `host:${good}`)).toBe(4 * PAY)
})

test('a lost host: its result is reissued with a longer deadline, and a late report is still paid', async () => {
  const { id } = await submit(life, { runs: 1 })
  const [slow, a, b] = [await addHost(life), await addHost(life), await addHost(life)]
  const late = await take(life, slow)
  await report(life, a, await take(life, a))
  await wait(life, DEADLINE + 1)
  expect(await story(life)).toBe('no_reply, pending, unsent')
  expect(await rows(life, `select daily_quota from hosts where id = '${slow}'`)).toEqual([
    { daily_quota: 1000 },
  ])
  await report(life, b, await take(life, b))
  expect(await unitStates(life)).toBe('valid') // the embargo lasts until the grace of the lost one ends
  const [again] = await rows(life, `select deadline - sent_at as patience from results where attempt = 1`)
  expect(again.patience.minutes).toBe((2 * DEADLINE) / 60_000)
  await report(life, slow, late)
  expect(await story(life)).toBe('late valid, valid, valid')
  expect(await unitStates(life)).toBe('valid published')
  expect(await balance(life, `host:${slow}`)).toBe(PAY)
  // Three were paid where two were planned: the checking share held two milli-credits, the mint gave the rest.
  expect(await rows(life, `select kind, amount_milli from transfers where kind = 'overrun'`)).toEqual([
    { kind: 'overrun', amount_milli: 8 },
  ])
  expect(await balance(life, `escrow:${id}`)).toBe(0)
})

test('a unit is published when the grace of a lost result ends', async () => {
  await submit(life, { runs: 1 })
  const [lost, a, b] = [await addHost(life), await addHost(life), await addHost(life)]
  await take(life, lost)
  await report(life, a, await take(life, a))
  await wait(life, DEADLINE)
  await report(life, b, await take(life, b))
  expect(await unitStates(life)).toBe('valid')
  await wait(life, DEADLINE) // the grace is as long as the deadline, and its last moment counts
  expect(await unitStates(life)).toBe('valid')
  await wait(life, 1)
  expect(await unitStates(life)).toBe('valid published')
})

test('hosts that fail one after the other fail the unit, and the campaign gets everything back', async () => {
  const { owner } = await submit(life, { runs: 1 })
  const fail = async (code?: string): Promise<void> => {
    const host = await addHost(life)
    await reportError(life, host, await take(life, host), code)
  }
  for (let n = 0; n < 6; n++) await fail()
  await fail('host_stopped') // given back: the run is not to blame
  expect(await unitStates(life)).toBe('open')
  await fail()
  expect(await unitStates(life)).toBe('failed too_many_errors published')
  expect(await rows(life, `select count(*) as n from corpus`)).toEqual([{ n: 0 }])
  expect(await balance(life, `user:${owner}`)).toBe(1_000_000)
})

test('what no eligible host takes fails the unit after a week', async () => {
  await submit(life, { runs: 1 })
  await wait(life, 7 * 24 * 3600_000 - 1)
  expect(await unitStates(life)).toBe('open')
  await wait(life, 1)
  expect(await unitStates(life)).toBe('failed no_eligible_host published')
  expect(await story(life)).toBe('not_needed')
})

async function cancel(id: CampaignId): Promise<void> {
  await inTransaction(life.knex, async trx => {
    await endCampaign(trx, { id, by: 'owner', reason: null, now: life.now() })
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
}

test('a cancelled campaign gives back its escrow, but not before the last lease has lost its grace', async () => {
  const { id, owner } = await submit(life, { runs: 3 })
  const [a, b] = [await addHost(life), await addHost(life)]
  await report(life, a, await take(life, a))
  await report(life, b, await take(life, b))
  await take(life, a)
  await cancel(id)
  expect(await unitStates(life)).toBe('valid published, cancelled, cancelled published')
  expect(await balance(life, `escrow:${id}`)).toBe(66 - 2 * PAY)
  await wait(life, DEADLINE + 1)
  expect(await unitStates(life)).toBe('valid published, cancelled published, cancelled published')
  expect(await balance(life, `escrow:${id}`)).toBe(0)
  expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
  expect(await rows(life, `select state from campaigns`)).toEqual([{ state: 'cancelled' }])
})

test('who agrees in the grace of a cancelled unit is paid, who stands alone is not', async () => {
  const { id } = await submit(life, { runs: 2 })
  const [a, b] = [await addHost(life), await addHost(life)]
  const [a1 = [], b1 = [], a2 = []] = [await take(life, a), await take(life, b), await take(life, a)]
  await cancel(id)
  await report(life, a, [...a1, ...a2])
  await report(life, b, b1)
  await wait(life, DEADLINE + 1)
  expect(await story(life)).toBe('late valid, late inconclusive, late valid, not_needed')
  expect([await balance(life, `host:${a}`), await balance(life, `host:${b}`)]).toEqual([PAY, PAY])
  expect(await rows(life, `select count(*) as n from corpus`)).toEqual([{ n: 0 }])
})

test('a campaign is enumerated lazily: at most a thousand unsent results exist at a time', async () => {
  await submit(life, { runs: 1200, milli: 100_000_000, policy: 'fixed' })
  expect(await rows(life, `select count(*) as n from results where state = 'unsent'`)).toEqual([{ n: 1000 }])
  const host = await addHost(life)
  await take(life, host, 100)
  await inTransaction(life.knex, async trx => {
    const [{ id }] = await rows(life, `select id from campaigns`)
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life)
  expect(await rows(life, `select experiments_created from campaigns`)).toEqual([
    { experiments_created: 550 },
  ])
})

test('seeds and run keys are those that anyone can compute again', async () => {
  await submit(life, { runs: 2, seeds: 2 })
  const units = await rows(life, `select seed_index, seed, job, run_key from work_units order by id`)
  expect(units.map((unit: { seed_index: number }) => unit.seed_index)).toEqual([0, 1, 0, 1])
  expect(units[0].seed).toBe(units[2].seed) // seeds pair across experiments
  expect(units[0].seed).not.toBe(units[1].seed)
  expect(new Set(units.map((unit: { run_key: string }) => unit.run_key)).size).toBe(4)
  expect(JSON.parse(units[0].job)).toMatchObject({ recipe: { lr: 0.001, width: 16 }, seed: units[0].seed })
})
