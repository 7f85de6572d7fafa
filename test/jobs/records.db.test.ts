import { afterEach, describe, expect, test } from 'vitest'
import { releaseCandidates } from '#jobs/release.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  type Lifecycle,
  lie,
  reportOnly,
  rows,
  runJobs,
  startLifecycle,
  submit,
  take,
  unitStates,
} from '#support/lifecycle.ts'
import { compute, corpus, demands, hostRow, PROVEN, VERIFIER } from '#support/trusting.ts'

let life: Lifecycle
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await life.close()
})

describe('records', () => {
  test('wait for the verifier, who is also sent to the other runs behind a leading row', async () => {
    life = await startLifecycle({ leaderRows: 1 })
    await submit(life, { runs: 3 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(life, proven)
    expect(await unitStates(life)).toBe('open, open, open')
    expect(await demands(life)).toEqual(['record', null, null])
    await compute(life, verifier)
    expect(await unitStates(life)).toBe('valid published, open, open')
    await compute(life, proven, 5) // worse: nobody will look at it
    expect(await unitStates(life)).toBe('valid published, valid published, open')
    await compute(life, proven, 3)
    expect((await demands(life))[2]).toBe('record')
    expect(await corpus(life)).toHaveLength(2)
  })

  test('that are none beside those verified since wait no longer', async () => {
    life = await startLifecycle({ leaderRows: 1 })
    await submit(life, { runs: 3 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(life, proven)
    await compute(life, proven, 5)
    await compute(life, proven, 3)
    expect(await demands(life)).toEqual(['record', 'record', 'record'])
    await compute(life, verifier)
    expect(await unitStates(life)).toBe('valid published, valid published, open')
    expect((await demands(life)).slice(1)).toEqual([null, 'record'])
  })

  test('that are none are checked all the same where a check is drawn, and where somebody disagrees', async () => {
    life = await startLifecycle({ leaderRows: 1 })
    const { id } = await submit(life, { runs: 4 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    for (const value of [4, 5, 6, 3]) await compute(life, proven, value)
    const held = `select w.id from results r join work_units w on w.id = r.work_unit_id
      where r.kind = 'check' and r.state = 'unsent' and r.priority < w.priority order by w.id`
    const [drawn, disputed] = await rows(life, held) // the two worst claims
    await rows(
      life,
      `update results set draw = 'verifier' where kind = 'replica' and work_unit_id = '${drawn.id}' returning id`,
    )
    await rows(life, `update work_units set disputed = true where id = '${disputed.id}' returning id`)
    await releaseCandidates(life.deps, id)
    expect(await rows(life, held)).toEqual([drawn])
    await compute(life, verifier, 3)
    await runJobs(life)
    expect(await rows(life, held)).toEqual([])
    await take(life, verifier, 4)
    expect(
      await rows(
        life,
        `select work_unit_id as id from results where kind = 'check' and state = 'in_progress' order by 1`,
      ),
    ).toEqual(expect.arrayContaining([drawn, disputed]))
  })

  test('that wait by the thousand are let go a batch at a time, and the rest is asked for again', async () => {
    life = await startLifecycle({ leaderRows: 1 })
    const { id } = await submit(life, { runs: 5 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    for (const value of [3, 6, 7, 8, 9]) await compute(life, proven, value)
    // As the verifier's word leaves it, before anybody looked at the others.
    await reportOnly(life, verifier, await take(life, verifier), lie(3))
    await runJobs(life, ['transition', 'validate', 'assimilate', 'standing'])
    const count = `select count(*)::int as n from work_units where state = 'open' and demand = 'record'`
    const waiting = async () => (await rows(life, count))[0].n
    expect(await waiting()).toBe(4)
    await releaseCandidates(life.deps, id, 3)
    expect(await waiting()).toBe(1)
    await runJobs(life) // what it asked for
    expect(await waiting()).toBe(0)
  })

  test('are checked the best claim first, two of a campaign at a time', async () => {
    life = await startLifecycle({ leaderRows: 10 })
    await submit(life, { runs: 4 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    for (const value of [5, 3, 4, 6]) await compute(life, proven, value)
    await take(life, verifier, 4)
    const begun = `select work_unit_id from results where kind = 'check' and state = 'in_progress'`
    const claims = `select metric from results where kind = 'replica' and work_unit_id in (${begun}) order by metric`
    expect(await rows(life, claims)).toEqual([{ metric: 3 }, { metric: 4 }])
  })

  test('a forger that behaves for thirty results and then lies about a record is caught before it is published', async () => {
    life = await startLifecycle({ leaderRows: 1 })
    await submit(life, { runs: 31, milli: 10_000_000 })
    const [forger, verifier] = [await addHost(life, { streak: 30 }), await addHost(life, VERIFIER)]
    await compute(life, forger)
    await compute(life, verifier)
    for (let n = 0; n < 5; n++) await compute(life, forger, 4 + n / 100)
    await compute(life, forger, 0.5)
    expect(await rows(life, `select count(*) as n from corpus where metric_value = 0.5`)).toEqual([{ n: 0 }])
    await compute(life, verifier)
    expect(await hostRow(life, forger)).toMatchObject({ self_test: 'demanded' })
    expect(await rows(life, `select count(*) as n from corpus where metric_value = 0.5`)).toEqual([{ n: 0 }])
  })
})
