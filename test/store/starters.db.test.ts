import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reserve, STARTER_MILLI, starter, userAccount } from '#domain/ledger.ts'
import { addMs, type Instant, type UserId } from '#protocol/units.ts'
import { giveStarter, lapseStarters, refundRest } from '#store/account-credit.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { audit, balanceOf, post } from '#store/ledger.ts'
import { insertUser } from '#store/users.ts'
import { addCampaign, stock, T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

const DAY_MS = 24 * 3600_000
let directory: string
let database: TestDatabase
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-starters-'))
  database = await freshDatabase()
})
afterAll(async () => {
  await database.drop()
  await rm(directory, { recursive: true, force: true })
})

const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => inTransaction(database.knex, work)
const balance = (userId: UserId): Promise<number> => run(trx => balanceOf(trx, userAccount(userId)))
const isSound = async () =>
  expect(await run(trx => audit(trx))).toMatchObject({ sumMilli: 0, balanced: true })
let names = 0

describe('a starter', () => {
  const newUser = async (): Promise<UserId> => {
    const id = testIds.user(T0)
    await insertUser(database.knex, { id, name: `newcomer ${++names}`, roles: ['researcher'], createdAt: T0 })
    return id
  }
  const give = async (prefix: string | null, now: Instant, amountMilli = STARTER_MILLI) => {
    const userId = await newUser()
    return { userId, outcome: await run(trx => giveStarter(trx, { userId, amountMilli, prefix, now })) }
  }

  test('is given once to an account, three times a day to a prefix, and so much a day to all', async () => {
    const now = addMs(T0, 1_000 * DAY_MS)
    const { userId, outcome } = await give('p1', now)
    expect(outcome).toBe('given')
    expect(await balance(userId)).toBe(STARTER_MILLI)
    const again = await run(trx => giveStarter(trx, { userId, amountMilli: 5, prefix: null, now }))
    expect(again).toBe('given_before')
    // At once, and still no more than three.
    const others = await Promise.all([1, 2, 3, 4].map(() => give('p1', now)))
    expect(others.map(other => other.outcome).sort()).toEqual([
      'given',
      'given',
      'prefix_limit',
      'prefix_limit',
    ])
    expect((await give(null, now, 998 * STARTER_MILLI)).outcome).toBe('daily_limit')
    expect((await give(null, now, 997 * STARTER_MILLI)).outcome).toBe('given')
    expect((await give('p1', addMs(now, DAY_MS))).outcome).toBe('given')
    await isSound()
  })

  test('lapses after ninety days, but for what was spent', async () => {
    const { userId } = await give(null, T0, 1_000)
    const campaign = await addCampaign(database.knex, await stock(database.knex, directory), userId, [])
    const money = { campaignId: campaign.id, userId }
    await run(trx => post(trx, [reserve({ ...money, amountMilli: 300 })], T0))
    const later = addMs(T0, 90 * DAY_MS)
    await run(trx => lapseStarters(trx, addMs(later, -1)))
    expect(await balance(userId)).toBe(700)
    await run(trx => lapseStarters(trx, later))
    expect(await balance(userId)).toBe(0)
    // What its campaign gives back lapses as well.
    await run(trx => refundRest(trx, { ...money, now: later }))
    expect(await balance(userId)).toBe(300)
    await run(trx => lapseStarters(trx, later))
    expect(await balance(userId)).toBe(0)
    await isSound()
  })

  test('of before the limits has the same key', async () => {
    const userId = await newUser()
    await run(trx => post(trx, [starter({ userId, amountMilli: 5 })], T0))
    await run(trx => giveStarter(trx, { userId, amountMilli: 5, prefix: null, now: T0 }))
    expect(await balance(userId)).toBe(5)
  })
})
