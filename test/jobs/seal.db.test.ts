import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Bytes } from '#domain/hash.ts'
import { reserve, starter } from '#domain/ledger.ts'
import { inspectChain } from '#jobs/inspect.ts'
import { ROWS_PER_BLOCK_MAX, sealAll } from '#jobs/seal.ts'
import { generateKey, type SigningKey } from '#kernels/sign.ts'
import type { LedgerHead } from '#protocol/ledger.ts'
import { checkLedger } from '#protocol/ledger-check.ts'
import { headsAfter, readRound, readSealed } from '#store/blocks.ts'
import { inTransaction } from '#store/database.ts'
import { post } from '#store/ledger.ts'
import { readUpkeep } from '#store/upkeep.ts'
import { T0, testIds } from '#support/builders.ts'
import { freshDatabase, type TestDatabase } from '#support/database.ts'

let database: TestDatabase
let key: SigningKey
beforeAll(async () => {
  database = await freshDatabase()
  key = await generateKey()
})
afterAll(() => database.drop())

const gift = () => starter({ userId: testIds.user(T0), amountMilli: 5 })
const give = (count: number) =>
  inTransaction(database.knex, trx => post(trx, Array.from({ length: count }, gift), T0))
const sealOnce = () =>
  sealAll({ knex: database.knex, keyIn: async () => key, serverId: 'test', now: () => T0 })
const count = async (sql: string): Promise<number> => (await database.knex.raw(sql)).rows[0].count

const SEALED_ROWS = 'select cast(coalesce(sum(cardinality(ids)), 0) as int) as count from blocks'

/** Seals until everything is in the chain: transactions of other tests on the same server may hold it up a moment. */
async function seal(): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    await sealOnce()
    if ((await count('select count(*) from transfers')) === (await count(SEALED_ROWS))) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('the sealer does not get to the end')
}

async function exported(): Promise<{ lines: string[]; heads: LedgerHead[] }> {
  const heads = await headsAfter(database.knex, { after: 0, limit: 1_000 })
  const lines: string[] = []
  for (const block of heads) {
    const sealed = await readSealed(database.knex, block)
    lines.push(...[{ block }, ...sealed].map(line => JSON.stringify(line)))
  }
  return { lines, heads }
}

async function checked(head?: LedgerHead) {
  const check = checkLedger({ hash: sha256Bytes, publicKeys: [key.publicKey], head })
  for (const line of (await exported()).lines) check.line(line)
  return check.end()
}

describe('the sealer', () => {
  test('puts every committed row in a block, in order, and signs each head', async () => {
    await give(3)
    await seal()
    await give(ROWS_PER_BLOCK_MAX + 1)
    await seal()
    const { heads } = await exported()
    expect(heads.reduce((sum, { statement }) => sum + statement.count, 0)).toBe(ROWS_PER_BLOCK_MAX + 4)
    expect(Math.max(...heads.map(({ statement }) => statement.count))).toBe(ROWS_PER_BLOCK_MAX)
    expect(await checked(heads.at(-1))).toMatchObject({
      ok: true,
      end: 'proven',
      rows: ROWS_PER_BLOCK_MAX + 4,
    })
    expect(await sealOnce()).toBe(0) // nothing new: no empty block
  })

  test('leaves a row alone while an older transaction may still add one before it', async () => {
    const rows = await count(SEALED_ROWS)
    const slow = await database.knex.transaction()
    await post(slow, [gift()], T0)
    const younger = await database.knex.transaction()
    // Not by `post`: that waits for mint, which the first one holds.
    await younger.raw(`insert into accounts (name) values ('user:u_x'), ('user:u_y')`)
    await younger.raw(
      `insert into transfers (key, kind, debit, credit, amount_milli, created_at)
       values ('younger', 'correction', 'user:u_x', 'user:u_y', 1, now())`,
    )
    await younger.commit()
    await sealOnce()
    expect(await count(SEALED_ROWS)).toBe(rows)
    await slow.commit()
    await seal()
    const places = await database.knex.raw(
      `select t.key from blocks b join transfers t on t.id = b.last_id order by b.number desc limit 1`,
    )
    expect(places.rows[0].key).toBe('younger') // committed first, and sealed last, as transactions are counted
    expect(await checked()).toMatchObject({ ok: true })
  })

  test('works in one process at a time, and another takes over', async () => {
    await give(5)
    const other = await database.knex.transaction()
    await other.raw('select pg_advisory_xact_lock(7316009)')
    expect(await sealOnce()).toBe(0)
    await other.rollback() // as when its process is killed
    await seal()
    await give(40)
    await Promise.all([sealOnce(), sealOnce(), sealOnce(), sealOnce()])
    await seal()
    expect(await checked()).toMatchObject({ ok: true })
  })

  test('a block is appended to for ever: nobody changes or removes it', async () => {
    for (const sql of [`delete from blocks`, `update blocks set ids = '{}'`, `truncate blocks cascade`])
      await expect(database.knex.raw(sql)).rejects.toThrow('the ledger is append-only')
  })

  test('stops with a reason on a database whose transactions count from the beginning', async () => {
    const trx = await database.knex.transaction()
    try {
      await asSuperuser(trx, `update blocks set last_xid = '9000000000000000000'`)
      const sealing = sealAll({ knex: trx, keyIn: async () => key, serverId: 'test', now: () => T0 })
      await expect(sealing).rejects.toMatchObject({ code: 'ledger_restored' })
    } finally {
      await trx.rollback()
    }
  })
})

interface Runner {
  raw(sql: string): PromiseLike<unknown>
}

/** What the triggers cannot refuse: somebody who owns the database switches them off. */
async function asSuperuser(on: Runner, sql: string): Promise<void> {
  await on.raw(`set local session_replication_role = replica`)
  await on.raw(sql)
}

describe('a row that somebody with all rights', () => {
  const meddle = (sql: string) => database.knex.transaction(trx => asSuperuser(trx, sql))
  const placeOf = async (position: number): Promise<number> => {
    const { rows } = await database.knex.raw(`select id from blocks, unnest(ids) with ordinality as s (id, i)
      order by number, i offset ${position - 1} limit 1`)
    return rows[0].id
  }

  const deps = () => ({
    knex: database.knex,
    now: () => T0,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  /** What each look of a round finds, a block each, until the next one begins. */
  async function wholeRound(portion = { blocks: 1, rows: Infinity }): Promise<string[][]> {
    const looks: string[][] = []
    do looks.push((await inspectChain(deps(), portion)).map(({ detail }) => detail))
    while ((await readRound(database.knex)).after > 0)
    return looks
  }

  test('altered in the database is named', async () => {
    const id = await placeOf(7)
    await meddle(`update transfers set amount_milli = amount_milli + 1 where id = ${id}`)
    expect((await checked()).problems.map(p => [p.code, p.row])).toEqual([['row_altered', 7]])
    await meddle(`update transfers set amount_milli = amount_milli - 1 where id = ${id}`)
    expect(await checked()).toMatchObject({ ok: true })
  })

  test('put between old ones is counted, though it is in no block', async () => {
    await meddle(`insert into transfers (key, kind, debit, credit, amount_milli, created_at, xid)
      select 'smuggled', 'correction', 'user:u_x', 'user:u_y', 5, now(), xid from transfers order by id limit 1`)
    expect((await wholeRound()).flat()).toEqual(['1 rows stand among sealed ones and are in no block'])
    await meddle(`delete from transfers where key = 'smuggled'`)
    expect((await wholeRound()).flat()).toEqual([])
  })

  test('altered long ago is found in turn, a few blocks at a time', async () => {
    const { heads } = await exported()
    const id = await placeOf(heads.at(-1)!.statement.rows)
    await meddle(`update transfers set amount_milli = amount_milli + 1 where id = ${id}`)
    const rounds = await wholeRound()
    expect(rounds).toHaveLength(heads.length + 1) // and a look that finds the end
    expect(rounds.map(found => found.length > 0)).toEqual(rounds.map((_, i) => i === heads.length - 1))
    expect(await wholeRound({ blocks: Infinity, rows: 1 })).toEqual(rounds)
    await meddle(`update transfers set amount_milli = amount_milli - 1 where id = ${id}`)
    expect((await readUpkeep(database.knex)).get('chain_check')).toBe(T0)
  })

  test('of a campaign that is not there is counted', async () => {
    const [userId, campaignId] = [testIds.user(T0), testIds.campaign(T0)]
    await give(1)
    const spent = reserve({ campaignId, userId, amountMilli: 5 })
    await inTransaction(database.knex, trx => post(trx, [starter({ userId, amountMilli: 5 }), spent], T0))
    await seal()
    const found = '1 sealed rows name a result or a campaign that is not there'
    expect((await wholeRound()).flat()).toEqual([found])
  })

  test('removed from the database is named', async () => {
    await meddle(`delete from transfers where id = ${await placeOf(9)}`)
    expect((await checked()).problems.map(p => [p.code, p.row])).toEqual([['row_missing', 9]])
  })
})
