import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import { RoleName } from '#protocol/acts.ts'
import { type Instant, type Sha256, TokenId, UserId } from '#protocol/units.ts'
import { type Executor, execute, selectFirst, Timestamp, toDb } from './rows.ts'

export const Scope = z.enum(['enrol', 'verify', 'campaign', 'kernel', 'admin', 'read', 'propose'])
export type Scope = z.infer<typeof Scope>

/** A fresh secret that is shown once; the prefix says to people and to leak scanners what it is. */
const PREFIXES = { user: 'xu', host: 'xh', key: 'xk', invitation: 'xi', device: 'xd' } as const
export const newTokenText = (kind: keyof typeof PREFIXES): string =>
  `${PREFIXES[kind]}_${randomBytes(32).toString('base64url')}`

/** What is stored of a token. It has 256 random bits, so a plain hash cannot be reversed by guessing. */
export const tokenHash = (text: string): Sha256 => sha256Of(text)

const Bearer = z.object({
  tokenId: TokenId,
  userId: UserId,
  userName: z.string(),
  roles: z.array(RoleName),
  scopes: z.array(Scope),
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  /** An API key: the account gave it away, for certain things only. */
  isKey: z.boolean(),
  /** Machines that may still enrol with it; null: as many as there are. */
  hostsLeft: z.int().nullable(),
  /** The operator blocked the account. */
  isBlocked: z.boolean(),
})
/** Who presents a token, and what it allows. */
export type Bearer = z.infer<typeof Bearer>

const FIND = `
  select t.id as "tokenId", u.id as "userId", u.name as "userName", cast(u.roles as text[]) as roles,
    cast(t.scopes as text[]) as scopes, t.expires_at as "expiresAt", t.revoked_at as "revokedAt",
    t.is_key as "isKey", t.hosts_left as "hostsLeft", u.blocked_at is not null as "isBlocked"
  from tokens t join users u on u.id = t.user_id
  where t.hash = :hash`

export const findBearer = (on: Executor, text: string): Promise<Bearer | undefined> =>
  selectFirst(on, Bearer, FIND, { hash: tokenHash(text) })

export interface NewToken {
  readonly id: TokenId
  readonly userId: UserId
  readonly hash: Sha256
  readonly scopes: readonly Scope[]
  readonly label: string
  readonly createdAt: Instant
  readonly expiresAt: Instant | null
}

const INSERT = `
  insert into tokens (id, user_id, hash, scopes, label, created_at, expires_at)
  values (:id, :userId, :hash, cast(cast(:scopes as text[]) as scope[]), :label, :createdAt, :expiresAt)`

export async function insertToken(on: Executor, token: NewToken): Promise<void> {
  const { createdAt, expiresAt } = token
  await execute(on, INSERT, {
    ...token,
    createdAt: toDb(createdAt),
    expiresAt: expiresAt === null ? null : toDb(expiresAt),
  })
}
