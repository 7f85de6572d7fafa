import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '#store/migrate.ts'
import { emptyDatabase, type TestDatabase } from '#support/database.ts'

let directory: string
let database: TestDatabase

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-migrations-'))
  database = await emptyDatabase()
})

afterEach(async () => {
  await database.drop()
  await rm(directory, { recursive: true })
})

const file = (name: string, sql: string) => writeFile(join(directory, name), sql)

test('migrations run once each, in order, and only new ones later', async () => {
  await file('0001_a.sql', `create table a (id integer); insert into a values (1);`)
  await file('0002_b.sql', `insert into a select id + 1 from a;`)
  expect(await migrate(database.knex, directory)).toEqual(['0001_a.sql', '0002_b.sql'])
  await file('0003_c.sql', `insert into a values (3);`)
  expect(await migrate(database.knex, directory)).toEqual(['0003_c.sql'])
  expect(await migrate(database.knex, directory)).toEqual([])
  expect((await database.knex.raw(`select id from a order by id`)).rows).toEqual(
    [1, 2, 3].map(id => ({ id })),
  )
})

test('processes that migrate at once apply each file once between them', async () => {
  await file('0001_a.sql', `create table a (id integer);`)
  await file('0002_b.sql', `insert into a values (1);`)
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrate(database.knex, directory)))
  expect(applied.flat().sort()).toEqual(['0001_a.sql', '0002_b.sql'])
  expect((await database.knex.raw(`select count(*) as n from a`)).rows).toEqual([{ n: 1 }])
})

test('a migration that fails in its middle leaves nothing and can be mended', async () => {
  await file('0001_a.sql', `create table a (id integer); insert into a values ('no number');`)
  await expect(migrate(database.knex, directory)).rejects.toThrow('invalid input syntax')
  expect((await database.knex.raw(`select to_regclass('a') as a`)).rows).toEqual([{ a: null }])
  await file('0001_a.sql', `create table a (id integer);`)
  expect(await migrate(database.knex, directory)).toEqual(['0001_a.sql'])
})

test('a question mark in a migration is an operator, not a placeholder', async () => {
  await file('0001_a.sql', `create table a as select '{"x": 1}'::jsonb ? 'x' as found, 'why?' as text;`)
  await migrate(database.knex, directory)
  expect((await database.knex.raw(`select * from a`)).rows).toEqual([{ found: true, text: 'why?' }])
})

test('line endings of a Windows checkout do not count as an edit', async () => {
  await file('0001_a.sql', `create table a\n(id integer);\n`)
  await migrate(database.knex, directory)
  await file('0001_a.sql', `create table a\r\n(id integer);\r\n`)
  expect(await migrate(database.knex, directory)).toEqual([])
})

test.each([
  ['migration_edited', async () => file('0001_a.sql', `create table a (id text);`)],
  ['database_newer_than_code', async () => rm(join(directory, '0002_b.sql'))],
  ['migration_misnamed', async () => file('0004_gap.sql', `select 1;`)],
])('%s is refused', async (code, spoil) => {
  await file('0001_a.sql', `create table a (id integer);`)
  await file('0002_b.sql', `insert into a values (1);`)
  await migrate(database.knex, directory)
  await spoil()
  await expect(migrate(database.knex, directory)).rejects.toMatchObject({
    code,
    hint: expect.stringMatching(/\.$/),
  })
})
