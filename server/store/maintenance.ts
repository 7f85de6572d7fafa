import { z } from 'zod'
import { type Executor, select } from './rows.ts'

// A table is looked at again when this many of its rows, and this share of them, changed since.
const CHANGED_MIN = 500
const CHANGED_SHARE = 0.5

const STALE = `
  select s.relname as name from pg_stat_user_tables s join pg_class c on c.oid = s.relid
  where s.schemaname = current_schema()
    and s.n_mod_since_analyze > greatest(${CHANGED_MIN}, ${CHANGED_SHARE} * c.reltuples)
  order by s.relname`

/**
 * Has PostgreSQL count again what grew: it plans by what it last counted, its own daemon comes by once a minute, and until
 * then a table that was empty is read whole at each call. Answers with the tables looked at.
 */
export async function countGrown(on: Executor): Promise<string[]> {
  const stale = await select(on, z.object({ name: z.string() }), STALE)
  for (const { name } of stale) await on.raw(`analyze ${JSON.stringify(name)}`)
  return stale.map(({ name }) => name)
}
