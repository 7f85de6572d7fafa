import { z } from 'zod'
import { nameKey } from '#domain/names.ts'
import { type Instant, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, selectFirst, toDb } from './rows.ts'

const PasswordRow = z.object({ userId: UserId, hash: z.string().nullable(), isBlocked: z.boolean() })

/** The account that a person means by a name, and its password; undefined when there is none. */
export const findByLogin = (on: Executor, name: string): Promise<z.infer<typeof PasswordRow> | undefined> =>
  selectFirst(on, PasswordRow, FIND, { name, nameKey: nameKey(name) })

/** The password of an account as it is stored; undefined when it has none. */
export const passwordOf = async (on: Executor, userId: UserId): Promise<string | undefined> =>
  (await selectFirst(on, z.object({ hash: z.string() }), OF_USER, { userId }))?.hash

/** Gives an account a password, in place of the one it had. */
export const setPassword = (
  trx: Trx,
  { userId, hash, now }: { userId: UserId; hash: string; now: Instant },
): Promise<number> => execute(trx, SET, { userId, hash, now: toDb(now) })

/** The same password, hashed anew: unless it was changed meanwhile. */
export const rehash = (
  on: Executor,
  { userId, from, to }: { userId: UserId; from: string; to: string },
): Promise<number> => execute(on, REHASH, { userId, from, to })

// A person writes the name as it is or nearly so. Of names from before they were compared by their looks, the exact one counts.
const FIND = `
  select u.id as "userId", p.hash, u.blocked_at is not null as "isBlocked" from users u left join passwords p on p.user_id = u.id
  where (u.name_key = :nameKey or u.name = :name) and u.deleted_at is null
  order by u.name = :name desc limit 1`
const OF_USER = `select hash from passwords where user_id = :userId`
const SET = `
  insert into passwords (user_id, hash, changed_at) values (:userId, :hash, :now)
  on conflict (user_id) do update set hash = excluded.hash, changed_at = excluded.changed_at`
const REHASH = `update passwords set hash = :to where user_id = :userId and hash = :from`
