import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PgBoss } from 'pg-boss'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '#server/postgres/start.ts'
import { openDatabase } from '#store/database.ts'
import { migrate } from '#store/migrate.ts'
import { ADMIN_DATABASE, databaseUrl, TEMPLATE_DATABASE } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: readonly string[] // connection strings of the run's private servers, one for each worker
  }
}

/**
 * A PostgreSQL for each worker, with a database that is migrated once and cloned by every test that wants one. They share none:
 * what is ordered by transactions waits for those of every database of its cluster.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { maxWorkers } = project.config
  const servers = await Promise.all(Array.from({ length: maxWorkers }, startOne))
  project.provide(
    'postgres',
    servers.map(server => server.connectionString),
  )
  return async () => void (await Promise.all(servers.map(server => server.stop())))
}

async function startOne(): Promise<{ connectionString: string; stop(): Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-test-'))
  const silent = { info: () => undefined, warn: () => undefined }
  const postgres = await startPostgres({ dataDir, log: silent, settings: FAST_SETTINGS })
  await makeTemplate(postgres.connectionString)
  return {
    connectionString: postgres.connectionString,
    stop: async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

// A test's database need not survive a power failure; the launcher's own tests run with the real settings.
const FAST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
}

async function makeTemplate(server: string): Promise<void> {
  const admin = openDatabase({ connectionString: databaseUrl(server, ADMIN_DATABASE), poolMax: 1 })
  await admin.raw(`create database ${TEMPLATE_DATABASE}`)
  await admin.destroy()
  const connectionString = databaseUrl(server, TEMPLATE_DATABASE)
  const knex = openDatabase({ connectionString, poolMax: 1 })
  await migrate(knex)
  await knex.destroy()
  const boss = new PgBoss({ connectionString, schema: 'pgboss', max: 1, supervise: false, schedule: false })
  await boss.start()
  await boss.stop({ graceful: false })
}
