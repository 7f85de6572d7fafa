import { afterAll, beforeAll, expect, test } from 'vitest'
import { refund, reserve, starter, userAccount } from '#domain/ledger.ts'
import { inTransaction } from '#store/database.ts'
import { audit, balanceOf, lockBalances, post } from '#store/ledger.ts'
import { T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await freshDatabase()
})
afterAll(() => database.drop())

const posted = (...transfers: Parameters<typeof post>[1]) =>
  inTransaction(database.knex, trx => post(trx, transfers, T0))
const balance = (account: Parameters<typeof balanceOf>[1]) =>
  inTransaction(database.knex, trx => balanceOf(trx, account))
const audited = () => inTransaction(database.knex, audit)

test('posting twice is the same as posting once', async () => {
  const gift = starter({ userId: testIds.user(T0), amountMilli: 1000 })
  expect(await posted(gift)).toBe(1)
  expect(await posted(gift)).toBe(0)
  expect(await posted(gift, gift)).toBe(0)
  expect(await balance(gift.credit)).toBe(1000)
  expect(await audited()).toMatchObject({ sumMilli: 0, balanced: true })
})

test('two at once with one key post it once', async () => {
  const gift = starter({ userId: testIds.user(T0), amountMilli: 5 })
  expect((await Promise.all(Array.from({ length: 8 }, () => posted(gift)))).toSorted()).toEqual([
    0, 0, 0, 0, 0, 0, 0, 1,
  ])
  expect(await balance(gift.credit)).toBe(5)
})

test('transfers in opposite directions at the same time wait for each other and never deadlock', async () => {
  const users = Array.from({ length: 6 }, () => testIds.user(T0))
  await posted(...users.map(userId => starter({ userId, amountMilli: 100 })))
  const move = (n: number) => {
    const [a, b] = [users[n % 6]!, users[(n * 5 + 1) % 6]!]
    const nothing = { campaignId: null, resultId: null, grants: null, reason: null }
    const facts = { kind: 'refund' as const, amountMilli: 1, ...nothing }
    return posted(
      { ...facts, key: `there ${n}`, debit: userAccount(a), credit: 'mint' },
      { ...facts, key: `back ${n}`, debit: 'mint', credit: userAccount(b) },
    )
  }
  await Promise.all(Array.from({ length: 60 }, (_, n) => move(n)))
  expect(await audited()).toMatchObject({ sumMilli: 0, balanced: true })
})

test('no account but mint goes below zero: the transaction is undone as a whole', async () => {
  const userId = testIds.user(T0)
  const gift = starter({ userId, amountMilli: 10 })
  const twice = { ...gift, key: 'spend', debit: gift.credit, credit: 'mint' as const, amountMilli: 11 }
  await expect(posted(gift, twice)).rejects.toThrow('no_account_but_mint_below_zero')
  expect(await balance(gift.credit)).toBe(0)
})

test('the ledger is append-only', async () => {
  await posted(starter({ userId: testIds.user(T0), amountMilli: 1 }))
  for (const sql of [
    `update transfers set amount_milli = 2`,
    `delete from transfers`,
    `truncate transfers cascade`,
  ])
    await expect(database.knex.raw(sql)).rejects.toThrow('the ledger is append-only')
})

test('a balance that somebody changed by hand is found by the audit', async () => {
  const gift = starter({ userId: testIds.user(T0), amountMilli: 7 })
  await posted(gift)
  await database.knex.raw(`update accounts set balance_milli = 8 where name = :name`, { name: gift.credit })
  expect(await audited()).toMatchObject({
    sumMilli: 1,
    differences: [{ account: gift.credit, projectedMilli: 8, derivedMilli: 7 }],
    balanced: false,
  })
  await database.knex.raw(`update accounts set balance_milli = 7 where name = :name`, { name: gift.credit })
})

test('locked balances are read as they are, unknown accounts as zero, in one order for everybody', async () => {
  const gift = starter({ userId: testIds.user(T0), amountMilli: 3 })
  await posted(gift)
  const campaignId = testIds.campaign(T0)
  const names = [
    'mint',
    gift.credit,
    reserve({ campaignId, userId: testIds.user(T0), amountMilli: 1 }).credit,
  ] as const
  const locked = await inTransaction(database.knex, trx => lockBalances(trx, names))
  expect([...locked.values()].slice(0, 2)).toEqual([0, 3])
  expect([...locked.keys()].at(-1)).toBe('mint')
  expect(refund({ campaignId, userId: testIds.user(T0), amountMilli: 1, refundedMilli: 0 }).debit).toBe(
    names[2],
  )
})
