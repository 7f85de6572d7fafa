import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { z } from 'zod'
import { readMigrations } from '#store/migrate.ts'
import { selectOne } from '#store/rows.ts'

const ROOT = join(import.meta.dirname, '../..')
const PARTS = ['server', 'validators', 'package.json']

// What a release does to a table under load: a column, and an index that holds up whoever writes until it is built.
const MIGRATION = `
alter table results add column of_the_next_release text;
create index results_of_the_next_release on results (of_the_next_release) where of_the_next_release is not null;
`

const NAME = 'next.sql'

/** The server as it is here with one migration more, below `dir`; gives its main program. */
export async function makeNextRelease(dir: string): Promise<string> {
  await mkdir(dir)
  for (const part of PARTS) await cp(join(ROOT, part), join(dir, part), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'), 'junction')
  const migrations = join(dir, 'server/migrations')
  const number = (await readMigrations(migrations)).length + 1
  await writeFile(join(migrations, `${String(number).padStart(4, '0')}_${NAME}`), MIGRATION)
  return join(dir, 'server/main.ts')
}

/** Whether a server of that release has migrated the database. */
export async function isMigrated(knex: Knex): Promise<boolean> {
  const sql = `select count(*)::int as n from schema_migrations where name like '%${NAME}'`
  return (await selectOne(knex, z.object({ n: z.int() }), sql)).n === 1
}
