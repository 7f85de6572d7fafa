import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import { inTransaction, type Trx } from './database.ts'
import { isDeadlock } from './errors.ts'
import { select, selectOne } from './rows.ts'

/** One numbered file of plain SQL; once it has run anywhere it is never edited. */
export interface Migration {
  readonly number: number
  readonly name: string
  readonly sha256: string
  readonly sql: string
}

const HINTS = {
  migration_edited: 'A migration that has run is never edited: restore the file and write a new one.',
  migration_misnamed: 'Migrations are named 0001_what.sql, 0002_what.sql… without a gap.',
  database_newer_than_code: 'This database was used by a newer version: update this program.',
} as const

/** Why a database cannot be brought to the code's version. */
export class MigrationError extends Error {
  readonly code: keyof typeof HINTS
  readonly hint: string

  constructor(code: keyof typeof HINTS, message: string) {
    super(message)
    this.name = 'MigrationError'
    this.code = code
    this.hint = HINTS[code]
  }
}

const DIRECTORY = join(import.meta.dirname, '..', 'migrations')

/**
 * Applies the migrations that the database has not seen, in order, each in a transaction of its own. Any number of
 * processes may call it at once; `upTo`: no later one than this. Returns the names of those it applied. Throws `MigrationError` and changes nothing when
 * an applied file was edited or the database is newer than the code.
 */
export async function migrate(knex: Knex, directory = DIRECTORY, upTo?: number): Promise<readonly string[]> {
  const known = await readMigrations(directory)
  if (upTo !== undefined && upTo > known.length)
    throw new MigrationError(
      'database_newer_than_code',
      `it has ${upTo} migrations, the code ${known.length}`,
    )
  const migrations = known.slice(0, upTo)
  const before = await inTransaction(knex, async trx => {
    await trx.raw(WAIT_AS_LONG)
    await trx.raw(TAKE_LOCK)
    await trx.raw(CREATE_TABLE)
    return listApplied(trx, migrations)
  })
  const applied: string[] = []
  for (const migration of migrations) {
    // Most starts find that all have run, and take the lock this once.
    if (before.includes(migration.number)) continue
    if (await patiently(knex, trx => applyOnce(trx, migrations, migration))) applied.push(migration.name)
  }
  return applied
}

// A process of the version before, which goes on meanwhile, may lock in another order than a migration.
const DEADLOCKS_MAX = 5

async function patiently<T>(knex: Knex, work: (trx: Trx) => Promise<T>): Promise<T> {
  for (let left = DEADLOCKS_MAX; ; left--) {
    try {
      return await inTransaction(knex, work)
    } catch (error) {
      if (left === 0 || !isDeadlock(error)) throw error
    }
  }
}

/** How many migrations of the code the database lacks. One that is newer lacks none: an older process goes on beside it. */
export async function countPending(knex: Knex, directory = DIRECTORY): Promise<number> {
  const migrations = await readMigrations(directory)
  const { there } = await selectOne(knex, z.object({ there: z.boolean() }), HAS_TABLE)
  const applied = there ? await select(knex, AppliedRow, LIST_APPLIED) : []
  return migrations.filter(({ number }) => !applied.some(row => row.number === number)).length
}

/** The migrations of a directory in order. Throws `migration_misnamed` for a gap or a name of another form. */
export async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const names = (await readdir(directory)).filter(name => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name, index) => {
      if (!name.startsWith(`${String(index + 1).padStart(4, '0')}_`)) {
        throw new MigrationError('migration_misnamed', `${name} is not number ${index + 1}`)
      }
      // Git may check files out with CR LF on Windows; the hash must not depend on it.
      const sql = (await readFile(join(directory, name), 'utf8')).replaceAll('\r\n', '\n')
      return { number: index + 1, name, sha256: sha256Of(sql), sql }
    }),
  )
}

// An index on a large table takes as long as it takes, also for those who wait for the one that makes it; and a busy table is waited for,
// whatever this user of the database is told to do else.
const WAIT_AS_LONG = `set local statement_timeout = 0; set local lock_timeout = 0`

// Any constant of our own does; held until the transaction ends, so that two starting servers take turns.
const TAKE_LOCK = `select pg_advisory_xact_lock(7316004)`

const CREATE_TABLE = `
  create table if not exists schema_migrations (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
  )`

const LIST_APPLIED = `select number, name, sha256 from schema_migrations order by number`

const RECORD = `insert into schema_migrations (number, name, sha256) values (:number, :name, :sha256)`

const HAS_TABLE = `select to_regclass('schema_migrations') is not null as there`

const AppliedRow = z.object({ number: z.int(), name: z.string(), sha256: z.string() })

async function applyOnce(trx: Trx, known: readonly Migration[], migration: Migration): Promise<boolean> {
  await trx.raw(WAIT_AS_LONG)
  await trx.raw(TAKE_LOCK)
  if ((await listApplied(trx, known)).includes(migration.number)) return false
  await trx.raw(escapePlaceholders(migration.sql))
  await trx.raw(RECORD, { number: migration.number, name: migration.name, sha256: migration.sha256 })
  return true
}

/** The numbers of those that have run, each as the code knows it. */
async function listApplied(trx: Trx, known: readonly Migration[]): Promise<number[]> {
  const applied = await select(trx, AppliedRow, LIST_APPLIED)
  for (const row of applied) assertKnown(row, known)
  return applied.map(row => row.number)
}

function assertKnown(row: z.infer<typeof AppliedRow>, known: readonly Migration[]): void {
  const file = known.find(migration => migration.number === row.number)
  if (file === undefined) {
    throw new MigrationError(
      'database_newer_than_code',
      `the database has migration ${row.name}, the code has not`,
    )
  }
  if (file.sha256 !== row.sha256) {
    throw new MigrationError('migration_edited', `${file.name} differs from what this database has run`)
  }
}

// knex takes every ? for a placeholder, also jsonb's operator.
const escapePlaceholders = (sql: string): string => sql.replaceAll('?', '\\?')
