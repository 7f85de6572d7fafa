import { z } from 'zod'
import { nameKey } from '#domain/names.ts'
import { RoleName } from '#protocol/acts.ts'
import { type Instant, UserId } from '#protocol/units.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const UserRow = z.object({
  id: UserId,
  name: z.string(),
  roles: z.array(RoleName),
  createdAt: Timestamp,
  balanceMilli: z.int(),
})
export type UserRow = z.infer<typeof UserRow>

const SELECT = `
  select u.id, u.name, cast(u.roles as text[]) as roles, u.created_at as "createdAt",
    coalesce(a.balance_milli, 0) as "balanceMilli"
  from users u left join accounts a on a.name = 'user:' || u.id`

export const findUserByName = (on: Executor, name: string): Promise<UserRow | undefined> =>
  selectFirst(on, UserRow, `${SELECT} where u.name = :name`, { name })

/** An account that is neither deleted nor blocked. */
export const findUser = (on: Executor, id: UserId): Promise<UserRow | undefined> =>
  selectFirst(on, UserRow, `${SELECT} where u.id = :id and u.deleted_at is null and u.blocked_at is null`, {
    id,
  })

const FactsRow = z.object({
  id: UserId,
  name: z.string(),
  email: z.string().nullable(),
  roles: z.array(RoleName),
  createdAt: Timestamp,
})

/** What is kept of an account itself. */
export const userFacts = (on: Executor, id: UserId): Promise<z.infer<typeof FactsRow> | undefined> =>
  selectFirst(on, FactsRow, FACTS, { id })

const FACTS = `
  select id, name, email, cast(roles as text[]) as roles, created_at as "createdAt" from users where id = :id`

export const listUsers = (on: Executor): Promise<UserRow[]> => select(on, UserRow, `${SELECT} order by u.id`)

export interface NewUser {
  readonly id: UserId
  readonly name: string
  readonly roles: readonly RoleName[]
  readonly createdAt: Instant
  readonly email?: string | null
}

const INSERT = `
  insert into users (id, name, name_key, roles, created_at, email)
  values (:id, :name, :nameKey, cast(cast(:roles as text[]) as role[]), :createdAt, :email)
  on conflict do nothing`

/** Adds a user; `name_taken`, by the same name or one that looks like it, changes nothing. */
export async function insertUser(on: Executor, user: NewUser): Promise<'created' | 'name_taken'> {
  const { name, createdAt, email = null } = user
  const added = await execute(on, INSERT, {
    ...user,
    ...{ nameKey: nameKey(name), email, createdAt: toDb(createdAt) },
  })
  return added === 1 ? 'created' : 'name_taken'
}
