import { z } from 'zod'
import { type Instant, Sha256, type UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, selectFirst, toDb } from './rows.ts'

const CallRow = z.object({
  operation: z.string(),
  bodySha256: Sha256,
  status: z.int(),
  location: z.string().nullable(),
  reply: z.string(),
})
/** A call that was answered, and how. */
export type CallRow = z.infer<typeof CallRow>

interface Call {
  readonly userId: UserId
  readonly key: string
}

/** How the call of this key was answered, as far as that is committed. */
export const findCall = (on: Executor, { userId, key }: Call): Promise<CallRow | undefined> =>
  selectFirst(on, CallRow, FIND, { userId, key })

/**
 * Takes a key for the call that this transaction makes. False when another call has it; one that is under way is awaited, and its key is
 * free again when it fails.
 */
export const takeKey = async (
  trx: Trx,
  { now, ...call }: Call & { readonly operation: string; readonly bodySha256: Sha256; readonly now: Instant },
): Promise<boolean> => (await execute(trx, TAKE, { ...call, now: toDb(now) })) === 1

/** Keeps the answer of the call that this transaction makes. */
export async function keepAnswer(
  trx: Trx,
  { userId, key }: Call,
  { status, location, reply }: Pick<CallRow, 'status' | 'location' | 'reply'>,
): Promise<void> {
  await execute(trx, KEEP, { userId, key, status, location, reply })
}

/** Forgets calls older than `before`, at most `limit`; how many. */
export const forgetCalls = (
  on: Executor,
  { before, limit }: { readonly before: Instant; readonly limit: number },
): Promise<number> => execute(on, FORGET, { before: toDb(before), limit })

const FIND = `
  select operation, body_sha256 as "bodySha256", status, location, reply from idempotent_calls
  where user_id = :userId and key = :key`

const TAKE = `
  insert into idempotent_calls (user_id, key, operation, body_sha256, at)
  values (:userId, :key, :operation, :bodySha256, :now) on conflict do nothing`

const KEEP = `
  update idempotent_calls set status = :status, location = :location, reply = :reply
  where user_id = :userId and key = :key`

const FORGET = `
  delete from idempotent_calls where (user_id, key) in (
    select user_id, key from idempotent_calls where at < :before order by at limit :limit)`
