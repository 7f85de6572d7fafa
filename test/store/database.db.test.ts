import { expect, test } from 'vitest'
import { z } from 'zod'
import { inBusyTransaction, inTransaction } from '#store/database.ts'
import { execute, recordsOf, select } from '#store/rows.ts'
import { withDatabase } from '#support/database.ts'

test('int8 and count(*) arrive as numbers while they are safe, and numeric as text', () =>
  withDatabase(async ({ knex }) => {
    const { rows } = await knex.raw(
      `select count(*) as n, 9007199254740991::int8 as safe, 9007199254740993::int8 as unsafe, 0.1::numeric as exact`,
    )
    expect(rows).toEqual([{ n: 1, safe: 9007199254740991, unsafe: '9007199254740993', exact: '0.1' }])
  }))

test.each(['UTC', 'Asia/Kolkata'])('a moment is the same in the time zone %s, to the millisecond', zone =>
  withDatabase(({ knex }) =>
    inTransaction(knex, async trx => {
      await trx.raw(`set local time zone '${zone}'`)
      const { rows } = await trx.raw(
        `select '2026-11-28 09:25:07.123999Z'::timestamptz as fine, '2026-11-28 09:25:07Z'::timestamptz as whole,
           '1969-12-31 23:59:59.9Z'::timestamptz as early, '0044-03-15 12:00:00Z BC'::timestamptz as roman,
           'infinity'::timestamptz as never`,
      )
      expect(rows).toEqual([
        {
          fine: new Date('2026-11-28T09:25:07.123Z'),
          whole: new Date('2026-11-28T09:25:07Z'),
          early: new Date('1969-12-31T23:59:59.900Z'),
          roman: new Date('-000043-03-15T12:00:00Z'),
          never: Number.POSITIVE_INFINITY,
        },
      ])
    }),
  ),
)

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

test('statements that are sent together are done in their order, and none where one fails', () =>
  withDatabase(async ({ knex }) => {
    await knex.raw(`create table notes (text text unique)`)
    const Note = z.object({ text: z.string() })
    const together = (texts: readonly string[]) =>
      inBusyTransaction(knex, async trx => {
        const read = () => select(trx, Note, `select text from notes order by text`)
        const late = async (count: Promise<number>) => (await Promise.all([count]))[0] // looked at after those behind it
        const steps = texts.map(text => [
          ...[late(execute(trx, `insert into notes values (:text)`, { text })), read()],
        ])
        return Promise.all(steps.flat())
      })
    const [a, b] = [{ text: 'a' }, { text: 'b' }]
    expect(await together(['a', 'b'])).toEqual([1, [a], 1, [a, b]])
    await expect(together(['c', 'a', 'd'])).rejects.toThrow('duplicate key')
    expect(await together([])).toEqual([])
    expect(await together(['e'])).toEqual([1, [a, b, { text: 'e' }]]) // on the same connection
  }))

test('what rows have in common and what not comes back the same', () =>
  withDatabase(async ({ knex }) => {
    const Row = z.object({
      a: z.int(),
      b: z.array(z.string()).nullable(),
      c: z.unknown(),
      d: z.int().nullable(),
    })
    const table = recordsOf({ a: 'int', b: 'text[]', c: 'jsonb', d: 'int' })
    const read = (rows: readonly object[]) =>
      select(knex, Row, `${table.sql} order by a`, table.bindings(rows))
    const [one, two] = [
      { a: 1, b: ['x', 'y"'], c: { deep: [1] }, d: null },
      { a: 2, b: null, c: 'z', d: null },
    ]
    expect(await read([one, two])).toEqual([one, two])
    expect(await read([one])).toEqual([one])
    expect(
      await read([
        { a: 3, c: 1 },
        { a: 3, c: 1, d: 4 },
      ]),
    ).toEqual([
      { a: 3, b: null, c: 1, d: null },
      { a: 3, b: null, c: 1, d: 4 },
    ])
    expect(await read([])).toEqual([])
  }))

test('every test database is migrated and has pg-boss installed', () =>
  withDatabase(async ({ knex }) => {
    const { rows } = await knex.raw(
      `select (select count(*) from schema_migrations) > 0 as migrated, to_regclass('pgboss.job') is not null as boss`,
    )
    expect(rows).toEqual([{ migrated: true, boss: true }])
  }))
