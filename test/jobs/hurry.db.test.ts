import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OVERDUE } from '#domain/hurry.ts'
import { hurryTails, passOnChecks } from '#jobs/hurry.ts'
import type { HostId, ResultId } from '#protocol/units.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  type Lifecycle,
  report,
  rows,
  startLifecycle,
  submit,
  take,
  wait,
} from '#support/lifecycle.ts'
import { one, PAY, PROVEN, VERIFIER } from '#support/trusting.ts'

const RUNS = 12
const RUN_MS = 20_000

let life: Lifecycle
let fast: HostId
let slow: HostId
let held: ResultId[]
beforeEach(async () => {
  life = await startLifecycle()
  await submit(life, { runs: RUNS })
  ;[fast, slow] = [await addHost(life, PROVEN), await addHost(life, PROVEN)]
  held = await take(life, slow)
  for (let left = RUNS - 1; left > 0; left--) {
    const run = await take(life, fast)
    life.advance(RUN_MS)
    await report(life, fast, run)
  }
})
afterEach(() => life.close())

const idle = (host: HostId) =>
  rows(life, `update hosts set idle_since = now(), last_seen_at = :at where id = :host returning id`, {
    ...{ host, at: new Date(life.now()).toISOString() },
  })
const states = () =>
  rows(
    life,
    `select state, published_at is not null as published from work_units where hurried_at is not null`,
  )

describe('the last run of a campaign, on a host that does not come back', () => {
  test('is given to an idle host as well, whose result decides; the first goes on for a while and is paid if it comes', async () => {
    await idle(fast)
    expect(await hurryTails(life.deps)).toHaveLength(1)
    expect(await hurryTails(life.deps)).toEqual([]) // once is enough
    const second = await takeWhenAsked(fast)
    life.advance(RUN_MS)
    await report(life, fast, second)
    expect(await states()).toEqual([{ state: 'valid', published: false }])
    expect(await one(life, `select outcome from results where id = '${held[0]}'`)).toEqual({
      outcome: 'cancelled',
    })
    await report(life, slow, held)
    expect(await one(life, `select verdict, granted_milli from results where id = '${held[0]}'`)).toEqual({
      ...{ verdict: 'valid', granted_milli: PAY },
    })
    expect(await states()).toEqual([{ state: 'valid', published: true }])
    expect((await auditOf(life)).balanced).toBe(true)
  })

  test('is published without it when its time is over, long before its deadline', async () => {
    await idle(fast)
    await hurryTails(life.deps)
    const ranMs = life.now() - (await leasedAt())
    await report(life, fast, await takeWhenAsked(fast))
    await wait(life, Math.round(ranMs / OVERDUE))
    expect(await states()).toEqual([{ state: 'valid', published: false }]) // its last moment still counts
    await wait(life, 1)
    expect(await states()).toEqual([{ state: 'valid', published: true }])
  })

  // One in twenty of twelve is one; it is overdue eight times as long as one may be: three times one more.
  test('is not given up because four others were computed twice before, once it is overdue twice as long again', async () => {
    await idle(fast)
    await rows(
      life,
      `update work_units set hurried_at = (select min(sent_at) from results) where id in
        (select id from work_units where state = 'valid' order by id limit 4)`,
    )
    expect(await hurryTails(life.deps)).toEqual([])
    life.advance(RUN_MS * RUNS)
    await idle(fast)
    expect(await hurryTails(life.deps)).toHaveLength(1)
  })

  test('takes no notice of those that nobody had to compute twice', async () => {
    await idle(fast)
    await rows(life, `update work_units set hurried_at = :at where state = 'valid'`, {
      at: new Date(life.now()).toISOString(),
    })
    expect(await hurryTails(life.deps)).toHaveLength(1)
  })

  test('is the verifier’s while that is idle, and the first is judged by its word', async () => {
    const verifier = await addHost(life, VERIFIER)
    await idle(verifier)
    expect(await hurryTails(life.deps)).toHaveLength(1)
    const check = await takeWhenAsked(verifier)
    await report(life, slow, held)
    expect(await states()).toEqual([{ state: 'open', published: false }])
    await report(life, verifier, check)
    expect(await states()).toEqual([{ state: 'valid', published: true }])
    expect(await one(life, `select verdict, granted_milli from results where id = '${held[0]}'`)).toEqual({
      ...{ verdict: 'valid', granted_milli: PAY },
    })
  })

  test('waits while nobody is idle, or only strangers are', async () => {
    expect(await hurryTails(life.deps)).toEqual([])
    await idle(await addHost(life))
    expect(await hurryTails(life.deps)).toEqual([])
  })

  test('comes after what was not handed out yet', async () => {
    await submit(life, { runs: 2 })
    await idle(fast)
    expect(await hurryTails(life.deps)).toHaveLength(1) // another campaign's work is no reason to wait
    await rows(life, `update work_units set hurried_at = null`)
    await rows(
      life,
      `insert into results (id, work_unit_id, kind, lane, attempt, created_at) select 'r_unsent', id, 'replica', 'anyone', 0, now()
       from work_units where state = 'open' order by id limit 1`,
    )
    expect(await hurryTails(life.deps)).toEqual([])
  })
})

describe('a check that is kept for newcomers', () => {
  const lane = async () =>
    (await one(life, `select lane from results where id = 'r_00000000000000000000000009'`)).lane
  const keep = () =>
    rows(
      life,
      `insert into results (id, work_unit_id, kind, lane, attempt, created_at) select 'r_00000000000000000000000009', id, 'replica', 'unproven', 0, now()
       from work_units where state = 'open' order by id limit 1`,
    )

  test('is passed on to proven hosts while one is idle and no newcomer was heard', async () => {
    await keep()
    expect(await passOnChecks(life.deps)).toEqual([]) // nobody is idle
    await idle(fast)
    expect(await passOnChecks(life.deps)).toHaveLength(1)
    expect(await lane()).toBe('proven')
    expect(await passOnChecks(life.deps)).toEqual([])
  })

  test('is the verifier’s while that is idle and the campaign has nothing left to hand out', async () => {
    await keep()
    await idle(fast)
    await idle(await addHost(life, VERIFIER))
    expect(await passOnChecks(life.deps)).toHaveLength(1)
    expect(await lane()).toBe('unproven')
    expect(await one(life, `select wanted_check from work_units where state = 'open'`)).toEqual({
      wanted_check: 'verifier',
    })
    expect(await passOnChecks(life.deps)).toEqual([])
  })

  test.each([
    ['a newcomer is here', async () => void (await idle(await addHost(life)))],
    ['it is a canary', async () => void (await rows(life, `update work_units set canary = true`))],
  ])('stays where it is while %s', async (_, given) => {
    await keep()
    await idle(fast)
    await given()
    expect(await passOnChecks(life.deps)).toEqual([])
    expect(await lane()).toBe('unproven')
  })
})

async function takeWhenAsked(host: HostId): Promise<ResultId[]> {
  await wait(life, 0)
  return take(life, host)
}

const leasedAt = async (): Promise<number> =>
  (
    await one(
      life,
      `select (extract(epoch from sent_at) * 1000)::float8 as at from results where id = '${held[0]}'`,
    )
  ).at
