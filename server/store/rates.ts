import type { Knex } from 'knex'
import { z } from 'zod'
import { column, execute, select } from './rows.ts'

/** Calls that were counted in one scope within one minute. */
export interface RateCount {
  readonly scope: string
  readonly minute: number // since 1970
  readonly n: number
}

const Total = z.object({ scope: z.string(), minute: z.int(), n: z.int() })

// In order of scope, so that two processes never wait for each other crosswise.
const ADD = `
  insert into rate_counts (scope, minute, n)
  select * from unnest(cast(:scopes as text[]), cast(:minutes as bigint[]), cast(:ns as integer[])) as x (scope, minute, n)
  order by scope, minute
  on conflict (scope, minute) do update set n = rate_counts.n + excluded.n
  returning scope, minute, n`
const FORGET = `delete from rate_counts where minute < :before`

/** Adds what a process counted; gives what all processes together have by now. */
export const addCounts = (knex: Knex, counts: readonly RateCount[]): Promise<RateCount[]> =>
  select(knex, Total, ADD, {
    scopes: column(counts, count => count.scope),
    minutes: column(counts, count => count.minute),
    ns: column(counts, count => count.n),
  })

export const forgetCounts = (knex: Knex, before: number): Promise<number> => execute(knex, FORGET, { before })
