import { z } from 'zod'
import { RoleName } from '#protocol/acts.ts'
import { type Instant, SessionId, type Sha256, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const SessionRow = z.object({
  sessionId: SessionId,
  userId: UserId,
  userName: z.string(),
  roles: z.array(RoleName),
  email: z.string().nullable(),
  /** The operator blocked the account. */
  isBlocked: z.boolean(),
  seenAt: Timestamp,
  expiresAt: Timestamp,
})
export type SessionRow = z.infer<typeof SessionRow>

/** A browser and who is logged in in it; undefined when there is none, also when it is over at `now`. */
export const findSession = (
  on: Executor,
  { hash, now, idleSince }: { hash: Sha256; now: Instant; idleSince: Instant },
): Promise<SessionRow | undefined> =>
  selectFirst(on, SessionRow, FIND, { hash, now: toDb(now), idleSince: toDb(idleSince) })

/** Notes that a session is used. */
export const touchSession = (on: Executor, id: SessionId, now: Instant): Promise<number> =>
  execute(on, TOUCH, { id, now: toDb(now) })

interface NewSession {
  readonly id: SessionId
  readonly userId: UserId
  readonly hash: Sha256
  readonly device: string
  readonly now: Instant
  readonly expiresAt: Instant
  /** What the password was found to be: a session begins with that one only. */
  readonly passwordHash: string
}

/** Adds a session, and ends the oldest of the account beyond `most`; false when the password was changed meanwhile, or the account deleted. */
export async function insertSession(trx: Trx, session: NewSession, most: number): Promise<boolean> {
  const { now, expiresAt, userId } = session
  const added = await execute(trx, INSERT, { ...session, now: toDb(now), expiresAt: toDb(expiresAt) })
  if (added === 0) return false
  await execute(trx, TRIM, { userId, most })
  return true
}

const SessionLine = z.object({
  id: SessionId,
  device: z.string(),
  createdAt: Timestamp,
  seenAt: Timestamp,
  expiresAt: Timestamp,
})

/** The sessions of an account that are not over, the last used first. */
export const listSessions = (
  on: Executor,
  { userId, now, idleSince }: { userId: UserId; now: Instant; idleSince: Instant },
): Promise<z.infer<typeof SessionLine>[]> =>
  select(on, SessionLine, LIST, { userId, now: toDb(now), idleSince: toDb(idleSince) })

/** Ends the session with this hash. */
export const endSession = (on: Executor, hash: Sha256): Promise<number> => execute(on, END, { hash })

/** Ends these sessions of an account, or all of them; returns how many. */
export const endSessions = (
  on: Executor,
  { userId, ids }: { userId: UserId; ids?: readonly SessionId[] | undefined },
): Promise<number> => execute(on, END_OF_USER, { userId, ids: ids ?? [], all: ids === undefined })

/** Ends every session of an account but one. */
export const endOtherSessions = (on: Executor, userId: UserId, kept: SessionId | null): Promise<number> =>
  execute(on, END_OTHERS, { userId, kept })

/** Forgets sessions that are over. */
export const forgetSessions = (
  trx: Trx,
  { now, idleSince }: { now: Instant; idleSince: Instant },
): Promise<number> => execute(trx, FORGET, { now: toDb(now), idleSince: toDb(idleSince) })

const ALIVE = `expires_at > :now and seen_at > :idleSince`

const FIND = `
  select s.id as "sessionId", u.id as "userId", u.name as "userName", cast(u.roles as text[]) as roles, u.email,
    u.blocked_at is not null as "isBlocked",
    s.seen_at as "seenAt", s.expires_at as "expiresAt"
  from sessions s join users u on u.id = s.user_id
  where s.hash = :hash and u.deleted_at is null and ${ALIVE}`

const TOUCH = `update sessions set seen_at = :now where id = :id and seen_at < :now`

// The password's row is locked: of a login and a change of the password at once, one sees the other.
const INSERT = `
  insert into sessions (id, user_id, hash, device, created_at, seen_at, expires_at)
  select :id, p.user_id, :hash, :device, cast(:now as timestamptz), cast(:now as timestamptz), cast(:expiresAt as timestamptz)
  from passwords p
  where p.user_id = :userId and p.hash = :passwordHash for share`

const TRIM = `
  delete from sessions where id in (
    select id from sessions where user_id = :userId order by seen_at desc, id desc offset :most)`

const LIST = `
  select id, device, created_at as "createdAt", seen_at as "seenAt", expires_at as "expiresAt"
  from sessions where user_id = :userId and ${ALIVE} order by seen_at desc, id desc`

const END = `delete from sessions where hash = :hash`
const END_OF_USER = `
  delete from sessions where user_id = :userId and (cast(:all as boolean) or id = any(cast(:ids as text[])))`
const END_OTHERS = `delete from sessions where user_id = :userId and id is distinct from cast(:kept as text)`
const FORGET = `delete from sessions where expires_at <= :now or seen_at <= :idleSince`
