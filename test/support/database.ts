import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { inject } from 'vitest'
import { openDatabase } from '#store/database.ts'

export const ADMIN_DATABASE = 'postgres'
export const TEMPLATE_DATABASE = 'xeenet_template'

/** A migrated database of one's own; pg-boss is installed in its schema `pgboss`. */
export interface TestDatabase {
  readonly knex: Knex
  readonly connectionString: string
  drop(): Promise<void> // also closes `knex` and cuts every other connection
}

/** Clones the migrated template. Only in tests of the project `db` (*.db.test.ts). */
export function freshDatabase(): Promise<TestDatabase> {
  return createDatabase(TEMPLATE_DATABASE)
}

/** A database with nothing in it, for tests of the migrations themselves. */
export function emptyDatabase(): Promise<TestDatabase> {
  return createDatabase('template1')
}

/** Runs `use` on a clone of the template and drops it; kept, and named, when `use` throws. */
export async function withDatabase<T>(use: (database: TestDatabase) => Promise<T>): Promise<T> {
  const database = await freshDatabase()
  const result = await use(database)
  await database.drop()
  return result
}

/** The same server, another database. */
export function databaseUrl(server: string, database: string): string {
  return server.replace(/\/[^/?]*(\?|$)/, `/${database}$1`)
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  // A copy of files is faster than logging each page, as long as nothing is synced to the disk.
  await asAdmin(`create database ${name} template ${template} strategy file_copy`)
  const connectionString = databaseUrl(serverOfWorker(), name)
  const knex = openDatabase({ connectionString, poolMax: 8, warn: () => undefined }) // what matters is thrown as well
  return {
    knex,
    connectionString,
    drop: async () => {
      await knex.destroy()
      await asAdmin(`drop database ${name} with (force)`)
    },
  }
}

/** The private server that no other worker uses. */
function serverOfWorker(): string {
  const url = inject('postgres')[Number(process.env.VITEST_POOL_ID) - 1]
  if (url === undefined) throw new Error(`worker ${process.env.VITEST_POOL_ID} has no PostgreSQL`)
  return url
}

async function asAdmin(sql: string): Promise<void> {
  const admin = openDatabase({ connectionString: databaseUrl(serverOfWorker(), ADMIN_DATABASE), poolMax: 1 })
  try {
    await admin.raw(sql)
  } finally {
    await admin.destroy()
  }
}
