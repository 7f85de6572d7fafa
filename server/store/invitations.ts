import { z } from 'zod'
import { RoleName } from '#protocol/acts.ts'
import { type Instant, InvitationId, type Sha256, type UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const InvitationRow = z.object({
  id: InvitationId,
  role: RoleName,
  label: z.string(),
  usesLeft: z.int(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
})
export type InvitationRow = z.infer<typeof InvitationRow>

interface NewInvitation extends InvitationRow {
  readonly hash: Sha256
  readonly madeBy: UserId | null
}

export const insertInvitation = (on: Executor, invitation: NewInvitation): Promise<number> =>
  execute(on, INSERT, {
    ...invitation,
    createdAt: toDb(invitation.createdAt),
    expiresAt: toDb(invitation.expiresAt),
  })

/** Uses an invitation once; its role, or undefined when it is not known, used up or over. Rolls back with the account. */
export const useInvitation = async (
  trx: Trx,
  { hash, now }: { hash: Sha256; now: Instant },
): Promise<z.infer<typeof RoleName> | undefined> =>
  (await selectFirst(trx, z.object({ role: RoleName }), USE, { hash, now: toDb(now) }))?.role

/** The invitations that somebody can still use, newest first. */
export const openInvitations = (on: Executor, now: Instant, limit: number): Promise<InvitationRow[]> =>
  select(on, InvitationRow, OPEN, { now: toDb(now), limit })

export const revokeInvitation = (on: Executor, id: InvitationId): Promise<number> =>
  execute(on, REVOKE, { id })

export const forgetInvitations = (trx: Trx, now: Instant): Promise<number> =>
  execute(trx, FORGET, { now: toDb(now) })

/** Whether some operator can log in. */
export const hasOperator = async (on: Executor): Promise<boolean> =>
  (await selectOne(on, z.object({ has: z.boolean() }), HAS_OPERATOR)).has

const INSERT = `
  insert into invitations (id, hash, role, label, uses_left, made_by, created_at, expires_at)
  values (:id, :hash, cast(:role as role), :label, :usesLeft, :madeBy, :createdAt, :expiresAt)`
const USE = `
  update invitations set uses_left = uses_left - 1 where hash = :hash and uses_left > 0 and expires_at > :now
  returning cast(role as text) as role`
const OPEN = `
  select id, cast(role as text) as role, label, uses_left as "usesLeft", created_at as "createdAt", expires_at as "expiresAt"
  from invitations where uses_left > 0 and expires_at > :now order by id desc limit :limit`
const REVOKE = `delete from invitations where id = :id`
const FORGET = `delete from invitations where expires_at <= :now or uses_left = 0`
const HAS_OPERATOR = `
  select exists (select from users u join passwords p on p.user_id = u.id
    where 'operator' = any(u.roles) and u.deleted_at is null) as has`
