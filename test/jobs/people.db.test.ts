import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sweepHosts } from '#jobs/sweep.ts'
import { settleAppeal } from '#operate/appeals.ts'
import type { HostId, UserId } from '#protocol/units.ts'
import { insertAppeal, lastExclusion } from '#store/actions.ts'
import { claimHost } from '#store/claims.ts'
import { inTransaction } from '#store/database.ts'
import { excludeHosts } from '#store/standing.ts'
import { addUser, testIds } from '#support/builders.ts'
import { addHost } from '#support/hosts.ts'
import {
  auditOf,
  balance,
  type Lifecycle,
  report,
  rows,
  runJobs,
  startLifecycle,
  submit,
  take,
  unitStates,
  wait,
} from '#support/lifecycle.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const user = async (name: string): Promise<UserId> => (await addUser(life.knex, name)).id

const claim = (hostId: HostId, userId: UserId) =>
  inTransaction(life.knex, async trx => {
    const outcome = await claimHost(trx, { hostId, userId, now: life.now() })
    if (outcome.type !== 'claimed') throw new Error(JSON.stringify(outcome))
    await life.wake.workUnits(trx, outcome.woken)
    await life.wake.hosts(trx, [hostId])
    return outcome
  })

const computedBy = async (...hosts: readonly HostId[]): Promise<void> => {
  for (const host of hosts) await report(life, host, await take(life, host))
}

describe('a claim that joins hosts which agreed', () => {
  test('opens their unit again for the verifier, keeps their pay when they were right, and ends the streak', async () => {
    await submit(life, { runs: 1, quorum: 2 })
    const ann = await user('ann')
    const mine = await addHost(life, { userId: ann, streak: 3 })
    const anonymous = await addHost(life, { streak: 3 })
    await computedBy(mine, anonymous)
    await wait(life, 24 * 3600_000)
    expect(await unitStates(life)).toBe('valid published')
    const before = await balance(life, `user:${ann}`)
    expect(await claim(anonymous, ann)).toMatchObject({ voided: 1 })
    await runJobs(life)
    expect(await unitStates(life)).toBe('open disputed')
    expect(await rows(life, `select event, detail from campaign_events order by id`)).toMatchObject([
      { event: 'best' },
      { event: 'finished' },
      { event: 'reopened', detail: 'only hosts of one owner had agreed' },
    ])
    expect(
      await rows(life, `select count, joined_at from streaks join hosts on id = host_id where id = :id`, {
        id: anonymous,
      }),
    ).toEqual([{ count: 0, joined_at: null }])
    await computedBy(await addHost(life, { trusted: true }))
    await wait(life, 24 * 3600_000)
    expect(await unitStates(life)).toBe('valid disputed published')
    expect(await rows(life, `select verdict, confirmed from results where kind = 'replica'`)).toEqual(
      [1, 2].map(() => ({ verdict: 'valid', confirmed: true })),
    )
    expect(await balance(life, `user:${ann}`)).toBeGreaterThanOrEqual(before)
    expect((await auditOf(life)).balanced).toBe(true)
  })

  test('leaves alone what somebody else agreed to', async () => {
    await submit(life, { runs: 2, quorum: 3 })
    const ann = await user('ann')
    const anonymous = await addHost(life)
    const hosts = [await addHost(life, { userId: ann }), anonymous, await addHost(life)]
    for (const host of hosts) await report(life, host, await take(life, host, 2))
    await wait(life, 24 * 3600_000)
    const states = await unitStates(life)
    expect(states).toBe('valid published, valid published')
    expect(await claim(anonymous, ann)).toMatchObject({ voided: 0 })
    await runJobs(life)
    expect(await unitStates(life)).toBe(states)
  })

  test('is found again when its wake-up got lost', async () => {
    await submit(life, { runs: 1, quorum: 2 })
    const ann = await user('ann')
    const anonymous = await addHost(life)
    await computedBy(await addHost(life, { userId: ann }), anonymous)
    await wait(life, 24 * 3600_000)
    expect(await unitStates(life)).toBe('valid published')
    await inTransaction(life.knex, trx => claimHost(trx, { hostId: anonymous, userId: ann, now: life.now() }))
    await sweepHosts(life.deps)
    await runJobs(life)
    expect(await unitStates(life)).toBe('open disputed')
  })
})

describe('an exclusion', () => {
  const exclude = async (hostId: HostId, reason: string): Promise<void> => {
    await inTransaction(life.knex, trx => excludeHosts(trx, [{ hostId, reason }], life.now()))
    await sweepHosts(life.deps)
    await runJobs(life)
  }
  const log = () =>
    rows(
      life,
      `select kind, actor, reason, (select array_agg(host_id order by host_id) from action_hosts where action_id = id) as hosts
       from actions order by id`,
    )

  test('is in the log, once, without ids; of a second host of an owner with all that it takes with it', async () => {
    const bob = await user('bob')
    const [one, two, three] = [
      await addHost(life, { userId: bob, ownerKey: `user:${bob}` }),
      await addHost(life, { userId: bob, ownerKey: `user:${bob}` }),
      await addHost(life, { userId: bob, ownerKey: `user:${bob}` }),
    ] as const
    await exclude(one, `result ${testIds.result(life.now())}: its digest was accepted before for another run`)
    const first = {
      ...{ kind: 'quarantine', actor: 'server', hosts: [one] },
      reason: 'result …: its digest was accepted before for another run',
    }
    expect(await log()).toEqual([first])
    await sweepHosts(life.deps)
    await runJobs(life)
    expect(await log()).toHaveLength(1)
    await exclude(two, 'its weights do not give its metric')
    const all = await log()
    expect(all[0]).toEqual(first)
    expect(
      all
        .slice(1)
        .flatMap(({ hosts }: { hosts: string[] }) => hosts)
        .sort(),
    ).toEqual([two, three].sort())
    expect(await rows(life, 'select distinct pseudonym from actions')).toHaveLength(1)
  })

  test('that is appealed with success counts against nobody, and its hosts work again', async () => {
    const host = await addHost(life)
    await exclude(host, 'it cheated')
    const { id: actionId } = (await lastExclusion(life.knex, host))!
    const decided = { actionId, decision: 'uphold', reason: 'a mistake of ours', now: life.now() } as const
    await insertAppeal(life.knex, { actionId, hostId: host, userId: null, words: 'No.', now: life.now() })
    expect(await inTransaction(life.knex, trx => settleAppeal(trx, decided, testIds))).toEqual({
      hostIds: [host],
      restoredMilli: 0,
    })
    await sweepHosts(life.deps)
    await runJobs(life)
    expect(await rows(life, 'select state from hosts where id = :host', { host })).toEqual([
      { state: 'active' },
    ])
    expect(await rows(life, 'select count(*) as n from exclusions where lifted_at is null')).toEqual([
      { n: 0 },
    ])
    await submit(life, { runs: 1 })
    expect(await take(life, host)).toHaveLength(1)
  })
})
