import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { APPEAL_MS, type Grant, OVERRUN_DAILY_MILLI } from '#domain/grants.ts'
import {
  type AccountName,
  correction,
  type Payee,
  payeeAccount,
  reserve,
  userAccount,
} from '#domain/ledger.ts'
import { type Payday, pay, payDeferred, restoreForfeits, settleForfeits } from '#jobs/pay.ts'
import {
  addMs,
  type CampaignId,
  type HostId,
  type Instant,
  type ResultId,
  type UserId,
} from '#protocol/units.ts'
import { refundRest } from '#store/account-credit.ts'
import { claimHost } from '#store/claims.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { moveDebts, openDebts } from '#store/debts.ts'
import { insertHost } from '#store/hosts.ts'
import { audit, balanceOf, listLeftovers, post } from '#store/ledger.ts'
import { addCampaign, addUser, sha256, stock, T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

const DAY_MS = 24 * 3600_000
let directory: string
let database: TestDatabase
let stocked: Awaited<ReturnType<typeof stock>>
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-credit-'))
  database = await freshDatabase()
  stocked = await stock(database.knex, directory)
})
afterAll(async () => {
  await database.drop()
  await rm(directory, { recursive: true, force: true })
})

const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => inTransaction(database.knex, work)
const balance = (account: AccountName): Promise<number> => run(trx => balanceOf(trx, account))

/** A campaign with credit, two hosts, one of them a user's, and results that they computed. */
interface Scene {
  readonly owner: UserId
  readonly campaignId: CampaignId
  readonly mine: Payee
  readonly host: HostId
  /** A grant for the n-th result, of the user's host, or of the anonymous one. */
  grant(n: number, amountMilli: number, anonymous?: boolean): Grant
}

let names = 0
let scene: Scene

async function addHost(userId: UserId | null): Promise<HostId> {
  const id = testIds.host(T0)
  await insertHost(database.knex, {
    ...{ id, userId, trusted: false, ownerKey: id, name: 'host', publicKey: id, tokenHash: sha256(id) },
    ...{ client: 'test/1', engineClasses: ['wasm'], cores: 1, memoryMiB: 1024, dailyQuota: 100, now: T0 },
  })
  return id
}

beforeEach(async () => {
  const { id: owner } = await addUser(database.knex, `owner ${++names}`, { milli: 100 })
  const { id: user } = await addUser(database.knex, `volunteer ${names}`)
  const [host, anonymous] = [await addHost(user), await addHost(null)]
  const campaign = await addCampaign(database.knex, stocked, owner, [{ quorum: 2, results: 8 }])
  await run(trx => post(trx, [reserve({ campaignId: campaign.id, userId: owner, amountMilli: 100 })], T0))
  const resultIds = campaign.units[0]!.resultIds
  const computedBy = (id: ResultId, hostId: HostId) =>
    database.knex.raw(
      `update results set state = 'over', outcome = 'success', verdict = 'valid', host_id = :hostId, owner_key = :id,
         sent_at = now(), deadline = now(), digest = :id, report = '{}', fuel_used = 1 where id = :id`,
      { id, hostId },
    )
  for (const [n, id] of resultIds.entries()) await computedBy(id, n < 4 ? host : anonymous)
  scene = {
    ...{ owner, host, campaignId: campaign.id, mine: userAccount(user) },
    grant: (n, amountMilli, isAnonymous = false) => ({
      ...{ resultId: resultIds[isAnonymous ? n + 4 : n]!, decision: 0, campaignId: campaign.id, amountMilli },
      hostId: isAnonymous ? anonymous : host,
      payee: isAnonymous ? payeeAccount({ id: anonymous, userId: null }) : userAccount(user),
    }),
  }
})

const payday = (what: Payday, now: Instant = T0) => run(trx => pay(trx, what, now))
const grantAll = (grants: readonly Grant[], vestNow: readonly Grant[] = [], now: Instant = T0) =>
  payday({ grants, vestNow: new Set(vestNow.map(g => g.resultId)) }, now)
const held = (grant: Grant) => ({ ...grant, vested: false })
const final = (grant: Grant) => ({ ...grant, vested: true })
const spend = (amountMilli: number) => {
  const facts = { id: `${names}`, account: scene.mine, amountMilli: -amountMilli, reason: 'spent' }
  return run(trx => post(trx, [correction(facts)], T0))
}

async function isSound(): Promise<void> {
  // The builder funds users by hand, with balances that fit.
  expect(await run(trx => audit(trx))).toMatchObject({ sumMilli: 0, differences: [], campaigns: [] })
}

describe('what a result earns', () => {
  test('is held, and final later, once', async () => {
    const [a, b] = [scene.grant(0, 30), scene.grant(1, 20)]
    await grantAll([a, b], [b])
    expect([await balance(`held:${scene.mine}`), await balance(scene.mine)]).toEqual([30, 20])
    await payday({ vests: [a] })
    await expect(payday({ vests: [a] })).rejects.toThrow('a verdict is paid once')
    await expect(grantAll([a])).rejects.toThrow('a verdict is paid once')
    expect([await balance(`held:${scene.mine}`), await balance(scene.mine)]).toEqual([0, 50])
    await isSound()
  })

  test('goes back to the campaign when it is taken back, held or not, and may be granted again', async () => {
    const [a, b] = [scene.grant(0, 30), scene.grant(1, 20)]
    await grantAll([a, b], [b])
    await payday({ reversals: [held(a), final(b)] })
    expect([await balance(`held:${scene.mine}`), await balance(scene.mine)]).toEqual([0, 0])
    expect(await balance(`escrow:${scene.campaignId}`)).toBe(100)
    await grantAll([{ ...a, decision: 1 }])
    expect(await balance(`held:${scene.mine}`)).toBe(30)
    await isSound()
  })

  test('and is taken back pays for what is granted at the same time, without the mint', async () => {
    const [a, b] = [scene.grant(0, 100), scene.grant(1, 90)]
    await grantAll([a])
    await payday({ reversals: [held(a)], grants: [b] })
    expect(await balance(`escrow:${scene.campaignId}`)).toBe(10)
    await isSound()
  })

  test('and was spent is a debt, which later grants repay first', async () => {
    const [a, b, c] = [scene.grant(0, 30), scene.grant(1, 20), scene.grant(2, 9)]
    await grantAll([a, c], [a])
    await spend(25)
    await payday({ reversals: [final(a)] })
    expect(await run(trx => openDebts(trx, [scene.mine]))).toMatchObject([{ amountMilli: 25 }])
    await grantAll([b], [b])
    expect(await balance(scene.mine)).toBe(0)
    expect(await run(trx => openDebts(trx, [scene.mine]))).toMatchObject([{ amountMilli: 5 }])
    await payday({ vests: [c] })
    expect([await balance(scene.mine), await run(trx => openDebts(trx, [scene.mine]))]).toEqual([4, []])
    expect(await balance(`escrow:${scene.campaignId}`)).toBe(100 - 30 - 9 + 5 - 20 + 20 + 5)
    await isSound()
  })

  test('and was forfeited waits for the appeal: upheld, it comes back, and the debt is forgiven', async () => {
    const [a, b] = [scene.grant(0, 30), scene.grant(1, 20)]
    await grantAll([a, b], [a])
    await spend(10)
    await payday({ reversals: [final(a), held(b)], to: 'forfeit' })
    expect(await balance('forfeit')).toBe(40)
    expect(await run(trx => openDebts(trx, [scene.mine], T0))).toEqual([]) // not before the appeal period ends
    expect(await run(trx => openDebts(trx, [scene.mine], addMs(T0, APPEAL_MS)))).toMatchObject([
      { amountMilli: 10 },
    ])
    expect(await run(trx => restoreForfeits(trx, [scene.host], T0))).toBe(40)
    expect(await run(trx => restoreForfeits(trx, [scene.host], T0))).toBe(0)
    expect([await balance('forfeit'), await balance(scene.mine)]).toEqual([0, 40])
    expect(await run(trx => openDebts(trx, [scene.mine]))).toEqual([])
    await isSound()
  })

  test('and was forfeited goes to the campaign when nobody can appeal any more', async () => {
    const a = scene.grant(0, 30)
    await grantAll([a])
    await payday({ reversals: [held(a)], to: 'forfeit' })
    await run(trx => settleForfeits(trx, addMs(T0, APPEAL_MS)))
    expect(await balance('forfeit')).toBe(30)
    await run(trx => settleForfeits(trx, addMs(T0, APPEAL_MS + 1)))
    await run(trx => settleForfeits(trx, addMs(T0, APPEAL_MS + 1)))
    expect([await balance('forfeit'), await balance(`escrow:${scene.campaignId}`)]).toEqual([0, 100])
    await isSound()
  })

  test('and a claimed host owes, its user owes', async () => {
    const a = scene.grant(0, 30, true)
    await grantAll([a], [a])
    const facts = { id: `${names}`, account: a.payee, amountMilli: -30, reason: 'spent' }
    await run(trx => post(trx, [correction(facts)], T0))
    await payday({ reversals: [final(a)] })
    await run(trx => moveDebts(trx, { from: a.payee, to: scene.mine }))
    expect(await run(trx => openDebts(trx, [scene.mine]))).toMatchObject([{ amountMilli: 30 }])
    await isSound()
  })
})

describe('beyond the plan', () => {
  test('the mint pays up to the cap of a day; the rest waits for the next', async () => {
    const now = addMs(T0, 400 * DAY_MS + names * DAY_MS) // a day of its own
    const [a, b, c] = [scene.grant(0, 90 + OVERRUN_DAILY_MILLI), scene.grant(1, 20), scene.grant(2, 7)]
    await grantAll([a, b, c], [b], now) // 10 of the cap are left for the last two
    expect(await balance(`held:${scene.mine}`)).toBe(90 + OVERRUN_DAILY_MILLI + 7)
    await run(trx => payDeferred(trx, now))
    expect(await balance(scene.mine)).toBe(0)
    await run(trx => payDeferred(trx, addMs(now, DAY_MS)))
    expect(await balance(scene.mine)).toBe(20)
    await isSound()
  })

  test('what is taken back before it was paid is never paid, and what is final before stays so', async () => {
    const now = addMs(T0, 500 * DAY_MS + names * DAY_MS)
    const [late, later] = [
      scene.grant(0, 101 + OVERRUN_DAILY_MILLI),
      scene.grant(1, 102 + OVERRUN_DAILY_MILLI),
    ]
    await grantAll([late, later], [], now)
    await payday({ reversals: [held(late)], vests: [later] }, now)
    await run(trx =>
      post(
        trx,
        [
          {
            ...reserve({ campaignId: scene.campaignId, userId: scene.owner, amountMilli: 2 }),
            key: `x${names}`,
            debit: 'mint',
          },
        ],
        now,
      ),
    )
    await run(trx => payDeferred(trx, addMs(now, DAY_MS)))
    expect([await balance(`held:${scene.mine}`), await balance(scene.mine)]).toEqual([0, later.amountMilli])
    await isSound()
  })
})

test('what comes back to a settled campaign is refunded again', async () => {
  const { campaignId, owner: userId } = scene
  const a = scene.grant(0, 30)
  await grantAll([a])
  const refund = () => run(trx => refundRest(trx, { campaignId, userId, now: T0 }))
  expect([await refund(), await refund()]).toEqual([70, 0])
  await database.knex.raw(
    `update work_units set state = 'cancelled', closed_at = now() where campaign_id = :campaignId`,
    { campaignId },
  )
  await database.knex.raw(
    `update campaigns set state = 'finished', ended_by = 'runs', ended_at = now(), settled_at = now() where id = :campaignId`,
    { campaignId },
  )
  await payday({ reversals: [held(a)] })
  expect(await run(trx => listLeftovers(trx, 100))).toContainEqual({ campaignId, userId })
  expect([await refund(), await balance(userAccount(userId))]).toEqual([30, 100])
  await isSound()
})

test('a researcher gets back what it set aside, not what the mint added and took from a cheat', async () => {
  const { campaignId, owner: userId } = scene
  const [a, b] = [scene.grant(0, 100), scene.grant(0, 50, true)]
  await grantAll([a])
  await grantAll([b]) // beyond the plan: the mint pays
  await payday({ reversals: [held(a), held(b)] })
  expect(await balance(`escrow:${campaignId}`)).toBe(150)
  const refund = () => run(trx => refundRest(trx, { campaignId, userId, now: T0 }))
  expect([await refund(), await refund(), await balance(userAccount(userId))]).toEqual([100, 0, 100])
  await database.knex.raw(
    `update work_units set state = 'cancelled', closed_at = now() where campaign_id = ?`,
    [campaignId],
  )
  await database.knex.raw(
    `update campaigns set state = 'finished', ended_by = 'runs', ended_at = now(), settled_at = now() where id = ?`,
    [campaignId],
  )
  expect(await run(trx => listLeftovers(trx, 100))).not.toContainEqual({ campaignId, userId })
  await isSound()
})

test('a deferred grant goes to the user that claims its host in the same moment', async () => {
  const { knex } = database
  const now = addMs(T0, 800 * DAY_MS + names * DAY_MS)
  const [a, b] = [scene.grant(0, 100 + OVERRUN_DAILY_MILLI), scene.grant(0, 7, true)]
  await grantAll([a], [], now)
  await grantAll([b], [], now)
  const { rows } = await knex.raw(`select host_id from results where id = ?`, [b.resultId])
  await knex.raw(`update work_units set state = 'cancelled', closed_at = now() where campaign_id = ?`, [
    scene.campaignId,
  ])
  const { id: claimant } = await addUser(knex, `claimant ${names}`)
  const claiming = await knex.transaction()
  await claimHost(claiming, { hostId: rows[0].host_id, userId: claimant, now })
  const paying = run(trx => payDeferred(trx, addMs(now, DAY_MS)))
  const waiting = `select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await vi.waitUntil(async () => (await knex.raw(waiting)).rows[0].n > 0)
  await claiming.commit()
  await paying
  expect([await balance(`held:${userAccount(claimant)}`), await balance(`held:${b.payee}`)]).toEqual([7, 0])
})
