import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { drawAudits, supplyCanaries } from '#jobs/economics.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, rows, runJobs, startLifecycle, submit, take, wait } from '#support/lifecycle.ts'
import { compute, hostRow, one, PROVEN, STRANGER, streakOf, VERIFIER } from '#support/trusting.ts'

const DAY_MS = 24 * 3600_000

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const canaries = async () => (await one(life, `select count(*)::int as n from work_units where canary`)).n

describe('canaries', () => {
  test('one for each newcomer while nobody is proven, but none without a verifier', async () => {
    await submit(life, { runs: 12 })
    const newcomer = await addHost(life, STRANGER)
    expect(await supplyCanaries(life.deps)).toEqual([])
    const verifier = await addHost(life, VERIFIER)
    expect(await supplyCanaries(life.deps)).toHaveLength(1)
    expect(await supplyCanaries(life.deps)).toEqual([]) // it is still open
    await runJobs(life)
    await compute(life, verifier)
    await compute(life, newcomer)
    expect(await hostRow(life, newcomer)).toMatchObject({ recent_checks: '=' })
    expect(await streakOf(life, newcomer)).toBe(1)
    expect(await supplyCanaries(life.deps)).toHaveLength(1)
  })

  test('a unit that somebody computes is none', async () => {
    await submit(life, { runs: 1 })
    await addHost(life, VERIFIER)
    await take(life, await addHost(life, STRANGER))
    expect(await supplyCanaries(life.deps)).toEqual([])
  })

  test('about one unit in two hundred once there are proven owners, the same however often it looks', async () => {
    for (let i = 0; i < 10; i++) await addHost(life, PROVEN)
    await addHost(life, STRANGER)
    await addHost(life, VERIFIER)
    await submit(life, { runs: 999 })
    await supplyCanaries(life.deps)
    const drawn = await canaries()
    expect(drawn).toBeGreaterThan(0)
    expect(drawn).toBeLessThan(15)
    await supplyCanaries(life.deps)
    expect(await canaries()).toBe(drawn)
  })
})

describe('audits', () => {
  beforeEach(async () => {
    await submit(life, { runs: 3 })
    const host = await addHost(life, PROVEN)
    await compute(life, host)
    await compute(life, host)
  })
  const seen = (ms: number) => life.knex.raw(`update hosts set last_seen_at = ?`, [new Date(life.now() - ms)])

  test('of a host that waits five days for its next check, one result', async () => {
    await seen(0)
    expect(await drawAudits(life.deps)).toEqual([])
    life.advance(5 * DAY_MS)
    await seen(0)
    expect(await drawAudits(life.deps)).toHaveLength(1)
    expect(await drawAudits(life.deps)).toEqual([]) // it waits for the verifier
    await runJobs(life)
    await compute(life, await addHost(life, VERIFIER))
    expect(await rows(life, `select count(*)::int as n from provisional_results`)).toEqual([{ n: 0 }])
  })

  test('that no verifier came for within a week hold nothing up, and are made when one comes back', async () => {
    life.advance(5 * DAY_MS)
    const drawn = await drawAudits(life.deps)
    expect(drawn).toHaveLength(1)
    await runJobs(life)
    await wait(life, 7 * DAY_MS + 1)
    const waiting = `select count(*)::int as n from results where kind = 'check' and state = 'unsent'`
    expect(await rows(life, waiting)).toEqual([{ n: 1 }])
    expect(await drawAudits(life.deps)).toEqual([]) // it waits on
    await compute(life, await addHost(life, VERIFIER))
    expect(await rows(life, `select count(*)::int as n from provisional_results`)).toEqual([{ n: 0 }])
  })

  test('of a host that is silent for a day', async () => {
    life.advance(DAY_MS)
    await seen(DAY_MS - 1)
    expect(await drawAudits(life.deps)).toEqual([])
    await seen(DAY_MS)
    expect(await drawAudits(life.deps)).toHaveLength(1)
  })
})
