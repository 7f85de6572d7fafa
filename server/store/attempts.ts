import { z } from 'zod'
import type { Instant } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, select, Timestamp, toDb } from './rows.ts'

const AttemptRow = z.object({ scope: z.string(), failures: z.int(), lastAt: Timestamp })
export type AttemptRow = z.infer<typeof AttemptRow>

/** The guesses counted in these scopes, which are locked until the end of the transaction; in the order of the scopes. */
export async function lockAttempts(trx: Trx, scopes: readonly string[], now: Instant): Promise<AttemptRow[]> {
  await execute(trx, ENSURE, { scopes: [...scopes], now: toDb(now) })
  return select(trx, AttemptRow, LOCK, { scopes: [...scopes] })
}

/** Writes down how many wrong guesses there are now. */
export const saveAttempts = (
  trx: Trx,
  rows: readonly { readonly scope: string; readonly failures: number }[],
  now: Instant,
): Promise<number> =>
  execute(trx, SAVE, {
    scopes: column(rows, row => row.scope),
    failures: column(rows, row => row.failures),
    now: toDb(now),
  })

/** A guess was right: these scopes begin anew, and it no longer counts in those. */
export async function forgiveAttempts(
  trx: Trx,
  { cleared, lowered }: { cleared: readonly string[]; lowered: readonly string[] },
): Promise<void> {
  await execute(trx, LOWER, { scopes: [...lowered] })
  await execute(trx, CLEAR, { scopes: [...cleared] })
}

export const forgetAttempts = (trx: Trx, before: Instant): Promise<number> =>
  execute(trx, FORGET, { before: toDb(before) })

// In order of scope, so that two guesses never wait for each other.
const ENSURE = `
  insert into attempts (scope, failures, last_at)
  select scope, 0, cast(:now as timestamptz) from unnest(cast(:scopes as text[])) as x (scope) order by scope
  on conflict do nothing`
const LOCK = `
  select scope, failures, last_at as "lastAt" from attempts where scope = any(:scopes) order by scope for update`
const SAVE = `
  update attempts a set failures = x.failures, last_at = :now
  from unnest(cast(:scopes as text[]), cast(:failures as integer[])) as x (scope, failures) where a.scope = x.scope`
const LOWER = `update attempts set failures = greatest(0, failures - 1) where scope = any(:scopes)`
const CLEAR = `delete from attempts where scope = any(:scopes)`
const FORGET = `delete from attempts where last_at < :before`
