import { expect, test } from 'vitest'
import { inTransaction } from '#store/database.ts'
import { withDatabase } from '#support/database.ts'

test('int8 and count(*) arrive as numbers while they are safe, and numeric as text', () =>
  withDatabase(async ({ knex }) => {
    const { rows } = await knex.raw(
      `select count(*) as n, 9007199254740991::int8 as safe, 9007199254740993::int8 as unsafe, 0.1::numeric as exact`,
    )
    expect(rows).toEqual([{ n: 1, safe: 9007199254740991, unsafe: '9007199254740993', exact: '0.1' }])
  }))

test('a transaction that throws leaves nothing behind', () =>
  withDatabase(async ({ knex }) => {
    await knex.raw(`create table notes (text text)`)
    const failing = inTransaction(knex, async trx => {
      await trx.raw(`insert into notes values ('half')`)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect((await knex.raw(`select count(*) as n from notes`)).rows).toEqual([{ n: 0 }])
  }))

test('every test database is migrated and has pg-boss installed', () =>
  withDatabase(async ({ knex }) => {
    const { rows } = await knex.raw(
      `select (select count(*) from schema_migrations) > 0 as migrated, to_regclass('pgboss.job') is not null as boss`,
    )
    expect(rows).toEqual([{ migrated: true, boss: true }])
  }))
