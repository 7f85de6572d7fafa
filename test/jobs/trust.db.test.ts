import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sweepCampaigns } from '#jobs/sweep.ts'
import { runReport } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  type Lifecycle,
  report,
  rows,
  runJobs,
  startLifecycle,
  story,
  submit,
  take,
  unitStates,
  wait,
} from '#support/lifecycle.ts'
import {
  campaignState,
  compute,
  corpus,
  exported,
  hostRow,
  PAY,
  PROVEN,
  STRANGER,
  streakOf,
  VERIFIER,
} from '#support/trusting.ts'

/** Moves the clock, and lets every sweeper look. */
async function waitDays(days: number): Promise<void> {
  await wait(life, days * 24 * 3600_000)
  await sweepCampaigns(life.deps)
  await runJobs(life)
}

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(async () => {
  expect(await auditOf(life)).toMatchObject({ sumMilli: 0, differences: [], balanced: true })
  await life.close()
})

describe('what earns a streak', () => {
  test('two newcomers who agree make a unit valid and earn each other nothing', async () => {
    await submit(life, { runs: 1 })
    const [a, b] = [await addHost(life, STRANGER), await addHost(life, STRANGER)]
    await compute(life, a)
    await compute(life, b)
    expect(await unitStates(life)).toBe('valid published')
    expect([await streakOf(life, a), await streakOf(life, b)]).toEqual([0, 0])
    expect(await rows(life, `select confirmed, vested from results`)).toEqual(
      Array(2).fill({ confirmed: false, vested: true }),
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
    expect([await streakOf(life, stranger), await streakOf(life, proven)]).toEqual([1, 10])
  })

  test('the verifier does, and a canary that the verifier computed first', async () => {
    await submit(life, { runs: 1 })
    await life.knex.raw(`update work_units set canary = true`)
    await life.knex.raw(`update live_units set canary = true`)
    await wait(life, 0)
    await life.knex.raw(`update live_units set wake_at = '2026-01-01'`)
    await wait(life, 1)
    expect(await story(life)).toBe('not_needed, check unsent')
    const [stranger, other, verifier] = [
      await addHost(life, STRANGER),
      await addHost(life, STRANGER),
      await addHost(life, VERIFIER),
    ]
    expect(await take(life, stranger)).toEqual([])
    await compute(life, verifier)
    expect(await unitStates(life)).toBe('open') // its answer is under embargo
    const canary = await take(life, stranger)
    expect(await take(life, other)).toEqual([]) // it is for one host only
    await report(life, stranger, canary)
    expect(await unitStates(life)).toBe('valid published')
    expect(await streakOf(life, stranger)).toBe(1)
    expect(await hostRow(life, stranger)).toMatchObject({ recent_checks: '=' })
  })
})

describe('a proven host', () => {
  test('computes a unit alone: provisional, unexported, its pay held, until the verifier has looked at one', async () => {
    const { owner } = await submit(life, { runs: 2 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    await compute(life, proven)
    await compute(life, proven)
    expect(await story(life)).toMatch(/^valid, valid, check unsent$/) // nothing else is left: an audit was drawn
    expect(await unitStates(life)).toBe('valid published, valid published')
    expect(await corpus(life)).toMatchObject([{ provisional: true }, { provisional: true }])
    expect(await exported(life)).toEqual([])
    expect(await campaignState(life)).toEqual({ state: 'running', settled: false })
    expect(await balance(life, `held:host:${proven}`)).toBe(2 * PAY)
    await compute(life, verifier)
    expect(await corpus(life)).toMatchObject([{ provisional: false }, { provisional: false }])
    expect(await exported(life)).toEqual([3.25, 3.25])
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
    expect([await balance(life, `held:host:${proven}`), await balance(life, `host:${proven}`)]).toEqual([
      0, 20,
    ])
    expect(await balance(life, `user:${owner}`)).toBe(1_000_000 - 2 * PAY)
    expect(await streakOf(life, proven)).toBe(11)
  })

  test('keeps a campaign waiting for a verifier a fortnight and no longer; whenever one comes back, it looks', async () => {
    await submit(life, { runs: 2 })
    const proven = await addHost(life, PROVEN)
    await compute(life, proven)
    await compute(life, proven)
    await waitDays(8)
    expect(await story(life)).toMatch(/^valid, valid, check unsent$/)
    expect(await campaignState(life)).toEqual({ state: 'running', settled: false })
    await waitDays(6)
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
    expect(await corpus(life)).toMatchObject([{ provisional: true }, { provisional: true }])
    expect(await exported(life)).toEqual([])
    expect(await balance(life, `held:host:${proven}`)).toBe(2 * PAY)
    await compute(life, await addHost(life, VERIFIER))
    expect(await corpus(life)).toMatchObject([{ provisional: false }, { provisional: false }])
    expect(await exported(life)).toEqual([3.25, 3.25])
    expect(await balance(life, `host:${proven}`)).toBe(2 * PAY)
  })

  test('whose check was drawn waits for another owner; a proven one makes what it did before final', async () => {
    await submit(life, { runs: 2 })
    const [proven, other] = [await addHost(life, PROVEN), await addHost(life, PROVEN)]
    await compute(life, proven)
    expect(await unitStates(life)).toBe('valid published, open')
    life.draw = [0, 0.9]
    await compute(life, proven)
    expect(await story(life)).toBe('valid, pending, unsent')
    expect(await take(life, proven)).toEqual([])
    await compute(life, other)
    expect(await unitStates(life)).toBe('valid published, valid published')
    expect([await streakOf(life, proven), await streakOf(life, other)]).toEqual([11, 11])
    expect(await rows(life, `select count(*) as n from provisional_results`)).toEqual([{ n: 0 }])
    expect(await campaignState(life)).toEqual({ state: 'finished', settled: true })
  })

  test('whose check was drawn for the verifier waits for it', async () => {
    await submit(life, { runs: 1 })
    const [proven, verifier] = [await addHost(life, PROVEN), await addHost(life, VERIFIER)]
    life.draw = [0, 0.1]
    await compute(life, proven)
    expect(await story(life)).toBe('pending, check unsent')
    await compute(life, verifier)
    expect(await unitStates(life)).toBe('valid published')
    expect(await hostRow(life, proven)).toMatchObject({ recent_checks: '=' })
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
    await compute(life, proven, 1)
    expect(await unitStates(life)).toBe('valid') // it stands alone until the other one speaks
    await report(life, stranger, ids)
    expect(await unitStates(life)).toBe('valid disputed')
    await compute(life, await addHost(life, VERIFIER))
    expect(await story(life)).toBe('valid, invalid, check valid')
    expect(await unitStates(life)).toBe('valid disputed published')
    expect(await corpus(life)).toMatchObject([{ value: 3.25, provisional: false, revision: 0 }])
    expect([await balance(life, `host:${proven}`), await balance(life, `held:host:${proven}`)]).toEqual([
      0, 0,
    ])
  })
})
