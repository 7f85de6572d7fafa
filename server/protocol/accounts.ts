import { z } from 'zod'
import { RoleName } from './acts.ts'
import { KeyScope } from './keys.ts'
import {
  EMAIL_CHARS_MAX,
  INVITATION_USES_MAX,
  INVITATIONS_MAX,
  NAME_CHARS_MAX,
  PASSWORD_CHARS_MAX,
  SESSIONS_PER_ACCOUNT_MAX,
} from './limits.ts'
import { line } from './text.ts'
import { InvitationId, SessionId, UserId, WireInstant } from './units.ts'
import { EnrolWork } from './work.ts'

/** Who may make an account: anybody, whoever was invited, or nobody. */
export const SignupPolicy = z.enum(['open', 'invitation', 'closed'])
export type SignupPolicy = z.infer<typeof SignupPolicy>

// Bounds only: what is wrong with a new name or password is said one by one by the rules for them.
const Name = z.string().min(1).max(NAME_CHARS_MAX)
const Password = z.string().min(1).max(PASSWORD_CHARS_MAX)
const Code = z.string().regex(/^[\w-]{10,100}$/)

/** POST /api/v1/accounts: with an invitation, or with solved work of GET /api/v1/accounts/challenge. */
export const SignUpBody = z.strictObject({
  name: Name,
  password: Password,
  /** For the operator only, who may want to reach the person. */
  email: z.email().max(EMAIL_CHARS_MAX).nullable().default(null),
  invitation: Code.optional(),
  work: EnrolWork.optional(),
})
export type SignUpBody = z.infer<typeof SignUpBody>

/** POST /api/v1/session */
export const LoginBody = z.strictObject({ name: Name, password: Password })
export type LoginBody = z.infer<typeof LoginBody>

/** GET /api/v1/session, and the reply to logging in and signing up. */
export const SessionView = z.object({
  /** Null: nobody is logged in. */
  user: z
    .object({
      userId: UserId,
      name: z.string(),
      roles: z.array(RoleName),
      /** What may be done from here; `admin` includes everything. */
      scopes: z.array(z.enum([...KeyScope.options, 'admin'])),
      email: z.string().nullable(),
      expiresAt: WireInstant,
    })
    .nullable(),
  signup: SignupPolicy,
})
export type SessionView = z.infer<typeof SessionView>

/** GET /api/v1/sessions: the browsers in which the account is logged in, the last used first. */
export const SessionList = z.object({
  sessions: z
    .array(
      z.object({
        id: SessionId,
        device: z.string(),
        createdAt: WireInstant,
        seenAt: WireInstant,
        expiresAt: WireInstant,
        /** The one that asks. */
        current: z.boolean(),
      }),
    )
    .max(SESSIONS_PER_ACCOUNT_MAX),
})
export type SessionList = z.infer<typeof SessionList>

/** POST /api/v1/sessions/revoke: the ones named, or all of the account, the asking one included. */
export const RevokeSessionsBody = z.strictObject({
  ids: z.array(SessionId).min(1).max(SESSIONS_PER_ACCOUNT_MAX).optional(),
})
export const RevokedReply = z.object({ revoked: z.int() })
export type RevokedReply = z.infer<typeof RevokedReply>

/** POST /api/v1/me/password: every other session of the account ends. */
export const PasswordBody = z.strictObject({ current: Password, next: Password })
export type PasswordBody = z.infer<typeof PasswordBody>

/** POST /api/v1/invitations, by an operator. */
export const InvitationBody = z.strictObject({
  role: RoleName.default('researcher'),
  label: line(NAME_CHARS_MAX).trim().min(1),
  uses: z.int().min(1).max(INVITATION_USES_MAX).default(1),
  expiresAt: z.iso.datetime(),
})
export type InvitationBody = z.infer<typeof InvitationBody>

const Invitation = z.object({
  id: InvitationId,
  role: RoleName,
  label: z.string(),
  usesLeft: z.int(),
  createdAt: WireInstant,
  expiresAt: WireInstant,
})

/** GET /api/v1/invitations: the open ones, newest first. */
export const InvitationList = z.object({ invitations: z.array(Invitation).max(INVITATIONS_MAX) })
export type InvitationList = z.infer<typeof InvitationList>

/** The reply to its creation: the only time that its code is shown. */
export const NewInvitation = Invitation.extend({ code: z.string(), url: z.string() })
export type NewInvitation = z.infer<typeof NewInvitation>
