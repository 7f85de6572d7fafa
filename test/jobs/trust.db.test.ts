import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HostId } from '#protocol/units.ts'
import { readCorpusPage } from '#store/published.ts'
import { runReport } from '#support/builders.ts'
import {
  addHost,
  answerSelfTest,
  auditOf,
  balance,
  type Lifecycle,
  lie,
  report,
  rows,
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
const STRANGER = {}
const PROVEN = { streak: 10 }
const VERIFIER = { trusted: true }

/** Leases a result and reports it honestly, or the lie. */
async function compute(host: HostId, value?: number): Promise<void> {
  await report(life, host, await take(life, host), value === undefined ? undefined : lie(value))
}

const one = async (sql: string) => (await rows(life, sql))[0]
const streakOf = async (host: HostId): Promise<number> =>
  (await one(`select coalesce((select count from streaks where host_id = '${host}'), 0) as n`)).n
const hostRow = (host: HostId) =>
  one(`select state, self_test, daily_quota, recent_checks from hosts where id = '${host}'`)
const campaignState = async () => await one(`select state, settled_at is not null as settled from campaigns`)
const corpus = () =>
  rows(
    life,
    `select metric_value as value, provisional, revision, retracted_at is not null as retracted
    from corpus order by work_unit_id, revision`,
  )
const exported = async () => {
  const { id } = await one(`select id from campaigns`)
  return (await readCorpusPage(life.knex, { campaignId: id, after: '', limit: 10 })).map(
    row => row.metricValue,
  )
}
const demands = async () =>
  (await rows(life, `select demand from work_units order by id`)).map((row: { demand: string }) => row.demand)

describe('what earns a streak', () => {
  test('two newcomers who agree make a unit valid and earn each other nothing', async () => {
    await submit(life, { runs: 1 })
    const [a, b] = [await addHost(life, STRANGER), await addHost(life, STRANGER)]
    await compute(a)
    await compute(b)
    expect(await unitStates(life)).toBe('valid published')
    expect([await streakOf(a), await streakOf(b)]).toEqual([0, 0])
    expect(await rows(life, `select confirmed, provisional, vested from results`)).toEqual(
      Array(2).fill({ confirmed: false, provisional: false, vested: true }),
    )
  })

  test('agreeing with a proven host of another owner does, for the stranger only', async () => {
    await submit(life, { runs: 1 })
    const [stranger, proven] = [await addHost(life, STRANGER), await addHost(life, PROVEN)]
    const ids = await take(life, stranger)
    life.draw = [0, 0.9] // the proven host is checked by another owner
    await report(life, proven, await take(life, proven))
    await report(life, stranger, ids)
    expect(await unitStates(life)).toBe('valid published')
    expect([await streakOf(stranger), await streakOf(proven)]).toEqual([1, 10])
  })

  test('the verifier does, and a canary that the verifier computed first', async () => {
    await submit(life, { runs: 1 })
    await life.knex.raw(`update work_units set canary = true`)
    await wait(life, 0)
    await life.knex.raw(`update work_units set wake_at = '2026-01-01'`)
    await wait(life, 1)
    expect(await story(life)).toBe('not_needed, check unsent')
    const [stranger, other, verifier] = [
      await addHost(life, STRANGER),
      await addHost(life, STRANGER),
      await addHost(life, VERIFIER),
    ]
    expect(await take(life, stranger)).toEqual([])
    await compute(verifier)
    expect(await unitStates(life)).toBe('open') // its answer is under embargo
    const canary = await take(life, stranger)
    expect(await take(life, other)).toEqual([]) // it is for one host only
    await report(life, stranger, canary)
    expect(await unitStates(life)).toBe('valid published')
    expect(await streakOf(stranger)).toBe(1)
    expect(await hostRow(stranger)).toMatchObject({ recent_checks: '=' })
  })
})

describe('a proven host', () => {
  test('computes a unit alone: provisional, unexported, its pay held, until the verifier has looked at one', async () => {
    const { owner } = await submit(life, { runs: 2 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(proven)
    await compute(proven)
    expect(await story(life)).toMatch(/^valid, valid, check unsent$/) // nothing else is left: an audit was drawn
    expect(await unitStates(life)).toBe('valid published, valid published')
    expect(await corpus()).toMatchObject([{ provisional: true }, { provisional: true }])
    expect(await exported()).toEqual([])
    expect(await campaignState()).toEqual({ state: 'running', settled: false })
    expect(await balance(life, `held:host:${proven}`)).toBe(2 * PAY)
    await compute(verifier)
    expect(await corpus()).toMatchObject([{ provisional: false }, { provisional: false }])
    expect(await exported()).toEqual([3.25, 3.25])
    expect(await campaignState()).toEqual({ state: 'finished', settled: true })
    expect([await balance(life, `held:host:${proven}`), await balance(life, `host:${proven}`)]).toEqual([
      0, 20,
    ])
    expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
    expect(await streakOf(proven)).toBe(11)
  })

  test('whose check was drawn waits for another owner; a proven one makes what it did before final', async () => {
    await submit(life, { runs: 2 })
    const [proven, other] = [await addHost(life, PROVEN), await addHost(life, PROVEN)]
    await compute(proven)
    expect(await unitStates(life)).toBe('valid published, open')
    life.draw = [0, 0.9]
    await compute(proven)
    expect(await story(life)).toBe('valid, pending, unsent')
    expect(await take(life, proven)).toEqual([])
    await compute(other)
    expect(await unitStates(life)).toBe('valid published, valid published')
    expect([await streakOf(proven), await streakOf(other)]).toEqual([11, 11])
    expect(await rows(life, `select count(*) as n from results where provisional`)).toEqual([{ n: 0 }])
    expect(await campaignState()).toEqual({ state: 'finished', settled: true })
  })

  test('whose check was drawn for the verifier waits for it', async () => {
    await submit(life, { runs: 1 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    life.draw = [0, 0.1]
    await compute(proven)
    expect(await story(life)).toBe('pending, check unsent')
    await compute(verifier)
    expect(await unitStates(life)).toBe('valid published')
    expect(await hostRow(proven)).toMatchObject({ recent_checks: '=' })
  })

  test('that says a run diverged needs another: nothing else than a finished run stands alone', async () => {
    await submit(life, { runs: 1 })
    const [proven, other] = [await addHost(life, PROVEN), await addHost(life, STRANGER)]
    const diverged = runReport({ fuelUsed: 1e9, status: 'diverged', metric: null, trace: [] })
    await report(life, proven, await take(life, proven), diverged)
    expect(await story(life)).toBe('pending, unsent')
    await report(life, other, await take(life, other), diverged)
    expect(await rows(life, `select status from corpus`)).toEqual([{ status: 'diverged' }])
  })

  test('is not believed against a stranger: the verifier decides', async () => {
    await submit(life, { runs: 1 })
    const [stranger, proven] = [await addHost(life, STRANGER), await addHost(life, PROVEN)]
    const ids = await take(life, stranger)
    await compute(proven, 1)
    expect(await unitStates(life)).toBe('valid') // it stands alone until the other one speaks
    await report(life, stranger, ids)
    expect(await unitStates(life)).toBe('valid disputed')
    await compute(await addHost(life, VERIFIER))
    expect(await story(life)).toBe('valid, invalid, check valid')
    expect(await unitStates(life)).toBe('valid disputed published')
    expect(await corpus()).toMatchObject([{ value: 3.25, provisional: false, revision: 0 }])
    expect([await balance(life, `host:${proven}`), await balance(life, `held:host:${proven}`)]).toEqual([
      0, 0,
    ])
  })
})

describe('a fault', () => {
  test('re-opens what nobody confirmed, published or not, after the campaign ended as well', async () => {
    const { owner } = await submit(life, { runs: 3 })
    const [liar, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(liar, 1) // a lie that nobody looks at
    await compute(liar)
    life.draw = [0, 0.1]
    await compute(liar)
    await compute(verifier) // an honest one is checked: all before it is final
    expect(await campaignState()).toEqual({ state: 'finished', settled: true })
    expect((await exported()).sort()).toEqual([1, 3.25, 3.25])
    expect(await balance(life, `host:${liar}`)).toBe(3 * PAY)

    await submit(life, { runs: 3 }) // the corpus answers all of it, one with the lie
    await submit(life, { runs: 1, seeds: 2 }) // and the lie once more
    expect(await unitStates(life)).toBe(`${'valid published, '.repeat(7)}open`)
    await compute(liar, 2)
    await compute(verifier)
    expect(await hostRow(liar)).toMatchObject({ state: 'active', self_test: 'demanded', daily_quota: 8000 })
    expect(await streakOf(liar)).toBe(0)
    expect(await rows(life, `select event, count(*) as n from campaign_events group by event`)).toEqual([
      { event: 'reopened', n: 5 }, // two units, and the three that they had answered
    ])
    expect((await corpus()).filter((row: { retracted: boolean }) => row.retracted)).toHaveLength(5)
    expect(await rows(life, `select settled_at from campaigns`)).toEqual(Array(3).fill({ settled_at: null }))

    for (let check = 0; check < 5; check++) await compute(verifier)
    expect(await rows(life, `select count(*) as n from work_units where published_at is null`)).toEqual([
      { n: 0 },
    ])
    expect(await rows(life, `select metric_value from corpus where retracted_at is null`)).toEqual(
      Array(8).fill({ metric_value: 3.25 }),
    )
    expect(await rows(life, `select max(revision) as revision from corpus`)).toEqual([{ revision: 1 }])
    expect(await balance(life, `host:${liar}`)).toBe(2 * PAY) // what was right stays paid
    expect(await rows(life, `select state, settled_at is null as open from campaigns`)).toEqual(
      Array(3).fill({ state: 'finished', open: false }),
    )
    expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
  })

  test('in an audit puts the verifier’s result in the place of the answer', async () => {
    await submit(life, { runs: 1 })
    const [liar, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(liar, 1)
    expect(await corpus()).toMatchObject([{ value: 1, provisional: true }])
    await compute(verifier)
    expect(await corpus()).toMatchObject([
      { value: 1, retracted: true },
      { value: 3.25, retracted: false, provisional: false, revision: 1 },
    ])
    expect(await rows(life, `select event from campaign_events`)).toEqual([{ event: 'overturned' }])
    expect([await balance(life, `host:${liar}`), await balance(life, `held:host:${liar}`)]).toEqual([0, 0])
    expect(await campaignState()).toEqual({ state: 'finished', settled: true })
  })

  test('of a flaky machine throttles it and excludes nobody', async () => {
    await submit(life, { runs: 6, policy: 'fixed' })
    const [flaky, good, verifier] = [await addHost(life), await addHost(life), await addHost(life, VERIFIER)]
    for (let n = 0; n < 4; n++) {
      await compute(flaky, n)
      await compute(good)
      await compute(verifier)
      await answerSelfTest(life, flaky, n < 2)
    }
    expect(await hostRow(flaky)).toMatchObject({ state: 'active', self_test: 'failed', daily_quota: 4 })
    expect(await rows(life, `select count(*) as n from exclusions`)).toEqual([{ n: 0 }])
    await compute(flaky)
    await compute(good)
    expect(await hostRow(flaky)).toMatchObject({ daily_quota: 4 }) // agreement of strangers mends nothing
  })
})

describe('records', () => {
  test('wait for the verifier, who is also sent to the other runs behind a leading row', async () => {
    await life.close()
    life = await startLifecycle({ leaderRows: 1 })
    await submit(life, { runs: 3 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(proven)
    expect(await unitStates(life)).toBe('open, open, open')
    expect(await demands()).toEqual(['record', null, null])
    await compute(verifier)
    expect(await unitStates(life)).toBe('valid published, open, open')
    await compute(proven, 5) // worse: nobody will look at it
    expect(await unitStates(life)).toBe('valid published, valid published, open')
    await compute(proven, 3)
    expect((await demands())[2]).toBe('record')
    expect(await corpus()).toHaveLength(2)
  })

  test('a forger that behaves for thirty results and then lies about a record is caught before it is published', async () => {
    await life.close()
    life = await startLifecycle({ leaderRows: 1 })
    await submit(life, { runs: 31, milli: 10_000_000 })
    const [forger, verifier] = [await addHost(life, { streak: 30 }), await addHost(life, VERIFIER)]
    await compute(forger)
    await compute(verifier)
    for (let n = 0; n < 5; n++) await compute(forger, 4 + n / 100)
    await compute(forger, 0.5)
    expect(await rows(life, `select count(*) as n from corpus where metric_value = 0.5`)).toEqual([{ n: 0 }])
    await compute(verifier)
    expect(await hostRow(forger)).toMatchObject({ self_test: 'demanded' })
    expect(await rows(life, `select count(*) as n from corpus where metric_value = 0.5`)).toEqual([{ n: 0 }])
  })
})

describe('cheating', () => {
  async function cheat(owner: string): Promise<{ cheat: HostId; sibling: HostId; verifier: HostId }> {
    await submit(life, { runs: 8 })
    const [cheat, sibling] = [
      await addHost(life, { ...PROVEN, ownerKey: owner }),
      await addHost(life, { ...PROVEN, ownerKey: owner }),
    ]
    const verifier = await addHost(life, VERIFIER)
    await compute(cheat)
    await compute(sibling)
    for (let n = 0; n < 3; n++) {
      life.draw = [0, 0.1]
      await report(life, cheat, await take(life, cheat), lie(n))
      await compute(verifier)
      await compute(verifier)
      if (n < 2) await life.knex.raw(`update hosts set self_test = 'passed' where id = '${cheat}'`)
      await life.knex.raw(`update streaks set count = 10, fuel = 1e11 where host_id = '${cheat}'`)
    }
    return { cheat, sibling, verifier }
  }

  test('excludes the host, takes its unconfirmed pay, and has its owner’s other hosts looked at', async () => {
    const { cheat: out, sibling, verifier } = await cheat('family')
    await answerSelfTest(life, out, true)
    expect(await hostRow(out)).toMatchObject({ state: 'quarantined' })
    expect(await hostRow(sibling)).toMatchObject({ state: 'paused' })
    expect(await rows(life, `select host_id, spread_at is not null as spread from exclusions`)).toEqual([
      { host_id: out, spread: true },
    ])
    expect(await take(life, sibling)).toEqual([])
    expect(await unitStates(life)).toContain('open disputed') // the sibling's unconfirmed result
    await compute(verifier)
    await compute(verifier)
    await answerSelfTest(life, sibling, true) // sweeps
    expect(await hostRow(sibling)).toMatchObject({ state: 'active' })
    // The streak that its owner's hosts need has doubled.
    expect(await take(life, sibling)).toHaveLength(1)
    expect(
      await rows(life, `select proven from results where host_id = '${sibling}' and state = 'in_progress'`),
    ).toEqual([{ proven: false }])
  })

  test('of a second host excludes the owner', async () => {
    const { cheat: out, sibling, verifier } = await cheat('gang')
    const third = await addHost(life, { ownerKey: 'gang' })
    await life.knex.raw(`update results set report = replace(report, '3.25', '3.26'), digest = repeat('0', 64)
      where host_id = '${sibling}'`)
    await life.knex.raw(
      `update results set digest = encode(sha256(convert_to(report, 'utf8')), 'hex') where host_id = '${sibling}'`,
    )
    await answerSelfTest(life, out, true)
    expect(await hostRow(third)).toMatchObject({ state: 'paused' })
    await compute(verifier)
    await compute(verifier)
    expect([await hostRow(sibling), await hostRow(third)]).toMatchObject([
      { state: 'quarantined' },
      { state: 'quarantined' },
    ])
  })
})
