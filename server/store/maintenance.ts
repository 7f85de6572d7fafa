import type { Knex } from 'knex'
import { z } from 'zod'
import { inTransaction } from './database.ts'
import { select } from './rows.ts'

// A table is looked at again when this many of its rows, and this share of them, changed since.
const CHANGED_MIN = 500
const CHANGED_SHARE = 0.5
// Of a queue all rows change in seconds, and it is no other table for it: unless it is longer by that share, once in so long. Two of them,
// each five seconds, were a fiftieth of what PostgreSQL did under load.
const QUEUES_EVERY = '1 minute'
// Six thousand rows of each say how many there are and which values are frequent. Five times as many, which PostgreSQL takes by
// itself, were a tenth of what it did under load; its own daemon counts as well, once a minute.
const STATISTICS_TARGET = 20

const STALE = `
  select s.relname as name from pg_stat_user_tables s join pg_class c on c.oid = s.relid
  where s.schemaname = current_schema()
    and s.n_mod_since_analyze > greatest(${CHANGED_MIN}, ${CHANGED_SHARE} * c.reltuples)
    and (s.n_tup_del < s.n_tup_ins / 2 -- most of what was ever written is there: no queue
      or s.n_live_tup > ${CHANGED_MIN} + ${1 + CHANGED_SHARE} * greatest(c.reltuples, 0)
      or greatest(s.last_analyze, s.last_autoanalyze, '-infinity') < now() - interval '${QUEUES_EVERY}')
  order by s.relname`

/**
 * Has PostgreSQL count again what grew: it plans by what it last counted, its own daemon comes by once a minute, and until
 * then a table that was empty is read whole at each call. Answers with the tables looked at.
 */
export async function countGrown(knex: Knex): Promise<string[]> {
  const stale = await select(knex, z.object({ name: z.string() }), STALE)
  for (const { name } of stale)
    await inTransaction(knex, async trx => {
      await trx.raw(`set local default_statistics_target = ${STATISTICS_TARGET}`)
      await trx.raw(`analyze ${JSON.stringify(name)}`)
    })
  return stale.map(({ name }) => name)
}
