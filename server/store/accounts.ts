import { z } from 'zod'
import { RoleName } from '#protocol/acts.ts'
import { type Instant, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const AccountRow = z.object({
  id: UserId,
  name: z.string(),
  roles: z.array(RoleName),
  createdAt: Timestamp,
  balanceMilli: z.int(),
  hosts: z.int(),
  campaignsOpen: z.int(),
  blockedAt: Timestamp.nullable(),
  campaignsOpenMax: z.int().nullable(),
  experimentsOpenMax: z.int().nullable(),
})
/** An account as operators see it. */
export type AccountRow = z.infer<typeof AccountRow>

const SELECT = `
  select u.id, u.name, cast(u.roles as text[]) as roles, u.created_at as "createdAt",
    coalesce(a.balance_milli, 0) as "balanceMilli", u.blocked_at as "blockedAt",
    (select count(*) from hosts h where h.user_id = u.id and h.state <> 'retired') as hosts,
    (select count(*) from campaigns c where c.owner_id = u.id and c.state = 'running') as "campaignsOpen",
    u.campaigns_open_max as "campaignsOpenMax", u.experiments_open_max as "experimentsOpenMax"
  from users u left join accounts a on a.name = 'user:' || u.id where u.deleted_at is null`

export const findAccount = (on: Executor, id: UserId): Promise<AccountRow | undefined> =>
  selectFirst(on, AccountRow, `${SELECT} and u.id = :id`, { id })

const LIST = `${SELECT}
  and (cast(:named as text) is null or position(lower(:named) in lower(u.name)) > 0 or u.id = :named)
  and (cast(:since as timestamptz) is null or u.created_at > :since)
  and (cast(:after as text) is null or u.id < :after) order by u.id desc limit :limit`

/** Accounts, the newest first: those whose name has these letters, that came since then. */
export const listAccounts = (
  on: Executor,
  { named, since }: { named: string | null; since: Instant | null },
  page: { after: UserId | null; limit: number },
): Promise<AccountRow[]> => select(on, AccountRow, LIST, { named, since: toDb(since), ...page })

export const countOperators = async (on: Executor): Promise<number> =>
  (await selectOne(on, z.object({ n: z.int() }), OPERATORS)).n

const OPERATORS = `
  select count(*) as n from (select id from users where 'operator' = any(roles) and deleted_at is null
    and blocked_at is null order by id for update) as locked`

export const setRoles = (trx: Trx, userId: UserId, roles: readonly RoleName[]): Promise<number> =>
  execute(trx, SET_ROLES, { userId, roles })

const SET_ROLES = `update users set roles = cast(cast(:roles as text[]) as role[]) where id = :userId`

/** Who is no operator keeps no token of one; returns how many ended. */
export const endAdminTokens = (trx: Trx, userId: UserId, now: Instant): Promise<number> =>
  execute(trx, END_TOKENS, { userId, now: toDb(now) })

const END_TOKENS = `
  update tokens set revoked_at = :now where user_id = :userId and 'admin' = any(scopes) and revoked_at is null`

export const setBlocked = (trx: Trx, userId: UserId, at: Instant | null): Promise<number> =>
  execute(trx, `update users set blocked_at = cast(:at as timestamptz) where id = :userId`, {
    userId,
    at: toDb(at),
  })

interface Quota {
  readonly campaigns: number | null
  readonly experiments: number | null
}

/** How much of an account may be open at once; null: as everybody's. */
export const setQuota = (trx: Trx, userId: UserId, quota: Quota): Promise<number> =>
  execute(trx, SET_QUOTA, { userId, ...quota })

const SET_QUOTA = `
  update users set campaigns_open_max = cast(:campaigns as int), experiments_open_max = cast(:experiments as int)
  where id = :userId`

const QuotaRow = z.object({ campaigns: z.int().nullable(), experiments: z.int().nullable() })

/** What an operator set for an account. */
export const quotaOf = (on: Executor, userId: UserId): Promise<Quota> =>
  selectOne(on, QuotaRow, QUOTA, { userId })

const QUOTA = `
  select campaigns_open_max as campaigns, experiments_open_max as experiments from users where id = :userId`
