import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sweepHosts } from '#jobs/sweep.ts'
import type { HostId } from '#protocol/units.ts'
import { listEvents } from '#store/events.ts'
import { addHost, answerSelfTest } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  type Lifecycle,
  lie,
  report,
  reportOnly,
  rows,
  runJobs,
  startLifecycle,
  submit,
  take,
  unitStates,
} from '#support/lifecycle.ts'
import {
  campaignState,
  compute,
  corpus,
  exported,
  hostRow,
  PAY,
  PROVEN,
  streakOf,
  VERIFIER,
} from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await life.close()
})

describe('a fault', () => {
  test('re-opens what nobody confirmed, published or not, after the campaign ended as well', async () => {
    const { owner } = await submit(life, { runs: 3 })
    const [liar, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(life, liar, 1) // a lie that nobody looks at
    await compute(life, liar)
    life.draw = [0, 0.1]
    await compute(life, liar)
    await compute(life, verifier) // an honest one is checked: all before it is final
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
    expect((await exported(life)).sort()).toEqual([1, 3.25, 3.25])
    expect(await balance(life, `host:${liar}`)).toBe(3 * PAY)

    await submit(life, { runs: 3 }) // the corpus answers all of it, one with the lie
    await submit(life, { runs: 1, seeds: 2 }) // and the lie once more
    expect(await unitStates(life)).toBe(`${'valid published, '.repeat(7)}open`)
    await compute(life, liar, 2)
    await compute(life, verifier)
    expect(await hostRow(life, liar)).toMatchObject({
      state: 'active',
      self_test: 'demanded',
      daily_quota: 8000,
    })
    expect(await streakOf(life, liar)).toBe(0)
    const doubted = `select event, count(*) as n from campaign_events where work_unit_id is not null group by event`
    expect(await rows(life, doubted)).toEqual([
      { event: 'reopened', n: 5 }, // two units, and the three that they had answered
    ])
    expect((await corpus(life)).filter((row: { retracted: boolean }) => row.retracted)).toHaveLength(5)
    expect(await rows(life, `select settled_at from campaigns`)).toEqual(Array(3).fill({ settled_at: null }))

    for (let check = 0; check < 5; check++) await compute(life, verifier)
    expect(await rows(life, `select count(*) as n from work_units where published_at is null`)).toEqual([
      { n: 0 },
    ])
    expect(await rows(life, `select metric_value from corpus where retracted_at is null`)).toEqual(
      Array(8).fill({ metric_value: 3.25 }),
    )
    expect(await rows(life, `select max(revision) as revision from corpus`)).toEqual([{ revision: 1 }])
    // What was final stays paid; what its fault, which nothing explains, had checked again pays for that.
    expect(await balance(life, `host:${liar}`)).toBe(PAY)
    expect(await rows(life, `select state, settled_at is null as open from campaigns`)).toEqual(
      Array(3).fill({ state: 'finished', open: false }),
    )
    expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - PAY)
  })

  test('in an audit puts the verifier’s result in the place of the answer', async () => {
    await submit(life, { runs: 1 })
    const [liar, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(life, liar, 1)
    expect(await corpus(life)).toMatchObject([{ value: 1, provisional: true }])
    await compute(life, verifier)
    expect(await corpus(life)).toMatchObject([
      { value: 1, retracted: true },
      { value: 3.25, retracted: false, provisional: false, revision: 1 },
    ])
    const [{ id: campaignId }] = await rows(life, `select id from campaigns`)
    const kinds = async () =>
      (await listEvents(life.knex, { campaignId, after: '0-0', limit: 10 })).map(({ kind }) => kind)
    // A transaction of any database of the cluster delays what is told, so those of other test files do.
    await expect
      .poll(kinds, { timeout: 10_000, interval: 20 })
      .toEqual(['campaign.best', 'result.retracted', 'campaign.best', 'campaign.finished'])
    expect([await balance(life, `host:${liar}`), await balance(life, `held:host:${liar}`)]).toEqual([0, 0])
    // The sweep of hosts in doubt walks what is not confirmed.
    expect(await rows(life, `select id from results where outcome = 'success' and not confirmed`)).toEqual([])
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  })

  test('of a flaky machine throttles it and excludes nobody', async () => {
    await submit(life, { runs: 6, policy: 'fixed' })
    const [flaky, good, verifier] = [await addHost(life), await addHost(life), await addHost(life, VERIFIER)]
    for (let n = 0; n < 4; n++) {
      await compute(life, flaky, n)
      await compute(life, good)
      await compute(life, verifier)
      await answerSelfTest(life, flaky, n < 2)
    }
    expect(await hostRow(life, flaky)).toMatchObject({ state: 'active', self_test: 'failed', daily_quota: 4 })
    expect(await rows(life, `select count(*) as n from exclusions`)).toEqual([{ n: 0 }])
    await compute(life, flaky)
    await compute(life, good)
    expect(await hostRow(life, flaky)).toMatchObject({ daily_quota: 4 }) // agreement of strangers mends nothing
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
    await compute(life, cheat)
    await compute(life, sibling)
    for (let n = 0; n < 3; n++) {
      life.draw = [0, 0.1]
      await report(life, cheat, await take(life, cheat), lie(n))
      await compute(life, verifier)
      await compute(life, verifier)
      if (n < 2) await life.knex.raw(`update hosts set self_test = 'passed' where id = '${cheat}'`)
      await life.knex.raw(`update streaks set count = 10, fuel = 1e11 where host_id = '${cheat}'`)
    }
    return { cheat, sibling, verifier }
  }

  test('excludes the host, takes its unconfirmed pay, and has its owner’s other hosts looked at', async () => {
    const { cheat: out, sibling, verifier } = await cheat('family')
    await answerSelfTest(life, out, true)
    expect(await hostRow(life, out)).toMatchObject({ state: 'quarantined' })
    expect(await hostRow(life, sibling)).toMatchObject({ state: 'paused' })
    expect(await rows(life, `select host_id, spread_at is not null as spread from exclusions`)).toEqual([
      { host_id: out, spread: true },
    ])
    expect(await take(life, sibling)).toEqual([])
    expect(await unitStates(life)).toContain('open disputed') // the sibling's unconfirmed result
    await compute(life, verifier)
    await compute(life, verifier)
    await answerSelfTest(life, sibling, true) // sweeps
    expect(await hostRow(life, sibling)).toMatchObject({ state: 'active' })
    // The streak that its owner's hosts need has doubled.
    expect(await take(life, sibling)).toHaveLength(1)
    expect(
      await rows(life, `select proven from results where host_id = '${sibling}' and state = 'in_progress'`),
    ).toEqual([{ proven: false }])
  })

  test('of a second anonymous host of a network excludes that one; its neighbours are paused', async () => {
    const { cheat: out, sibling, verifier } = await cheat('gang')
    const third = await addHost(life, { ownerKey: 'gang' })
    await life.knex.raw(`update results set report = replace(report, '3.25', '3.26'), digest = repeat('0', 64)
      where host_id = '${sibling}'`)
    await life.knex.raw(
      `update results set digest = encode(sha256(convert_to(report, 'utf8')), 'hex') where host_id = '${sibling}'`,
    )
    await answerSelfTest(life, out, true)
    expect(await hostRow(life, third)).toMatchObject({ state: 'paused' })
    await compute(life, verifier)
    await compute(life, verifier)
    expect([await hostRow(life, sibling), await hostRow(life, third)]).toMatchObject([
      { state: 'quarantined' },
      { state: 'paused' },
    ])
  })
})

describe('the answer of another run', () => {
  test('excludes nobody who is right, and whoever is wrong', async () => {
    await submit(life, { runs: 2, policy: 'fixed' })
    const [honest, liar, verifier] = [await addHost(life), await addHost(life), await addHost(life, VERIFIER)]
    const [mine, his] = [await take(life, honest, 2), await take(life, liar, 2)]
    await report(life, honest, mine) // two recipes, one run
    await report(life, liar, his, lie(1)) // a cached answer for both
    await compute(life, verifier)
    expect(await hostRow(life, honest)).toMatchObject({ state: 'active', recent_checks: '=' })
    expect(await hostRow(life, liar)).toMatchObject({ state: 'quarantined' })
    expect(await rows(life, `select host_id, reason from exclusions`)).toEqual([
      { host_id: liar, reason: expect.stringContaining('the answer of another run') },
    ])
  })
})

test('a re-opening whose request got lost is found by the sweeper', async () => {
  await submit(life, { runs: 2 })
  const [liar, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
  await compute(life, liar, 1)
  life.draw = [0, 0.1]
  await reportOnly(life, liar, await take(life, liar), lie(2))
  await runJobs(life, ['transition', 'validate'])
  await reportOnly(life, verifier, await take(life, verifier))
  await runJobs(life, ['transition', 'validate'])
  await rows(life, `delete from pgboss.job where name = 'standing'`) // a process was killed once too often
  const reopened = () => rows(life, `select count(*) as n from work_units where reopened_at is not null`)
  expect(await reopened()).toEqual([{ n: 0 }])
  expect(await sweepHosts(life.deps)).toBe(1)
  await runJobs(life)
  expect(await reopened()).toEqual([{ n: 1 }])
  expect(await sweepHosts(life.deps)).toBe(0)
})
