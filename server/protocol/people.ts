import { z } from 'zod'
import { APPEAL_CHARS_MAX, NAME_CHARS_MAX, PAGE_ROWS_MAX, PASSWORD_CHARS_MAX } from './limits.ts'
import { line, lines } from './text.ts'
import { ActionId, HostId, UserId, WireInstant } from './units.ts'

/**
 * POST /api/v1/hosts/:id/claim, a signed call of the host: it agrees to belong to an account from now on: to that of this token,
 * or without one to that which is logged in in the browser that calls.
 */
export const ClaimBody = z.strictObject({ userToken: z.string().min(1).max(200).optional() })
export type ClaimBody = z.infer<typeof ClaimBody>

export const ClaimReply = z.object({
  hostId: HostId,
  userId: UserId,
  /** Credit that moved to the account, held credit included; 0 when the host was claimed before. */
  movedMilli: z.int(),
  /** Work units on which only this host and others of the account agreed: a trusted host computes them again. */
  voided: z.int(),
})
export type ClaimReply = z.infer<typeof ClaimReply>

/** POST /api/v1/hosts/:id/appeal, by the host (a signed call) or by the user it belongs to. The text is data. */
export const AppealBody = z.strictObject({ text: lines(APPEAL_CHARS_MAX).trim().min(1) })
export type AppealBody = z.infer<typeof AppealBody>

const AppealState = z.enum(['none', 'open', 'upheld', 'rejected'])

/** PUT /api/v1/hosts/:id/name, by the user it belongs to. */
export const RenameBody = z.strictObject({ name: line(NAME_CHARS_MAX).trim().min(1) })

/** What became of a host by its user's hand. */
export const ChangedHost = z.object({
  id: HostId,
  name: z.string(),
  state: z.enum(['active', 'paused', 'quarantined', 'retired']),
})
export type ChangedHost = z.infer<typeof ChangedHost>

/** Why a host gets no work, and what can be done about it. */
export const ExclusionView = z.object({
  actionId: ActionId,
  reason: z.string(),
  at: WireInstant,
  /** An appeal is taken until then; then, or with the decision, everybody can read of the exclusion. */
  appealUntil: WireInstant,
  appeal: AppealState,
  /** The operator's, of a decided appeal. */
  decision: z.string().nullable(),
})
export type ExclusionView = z.infer<typeof ExclusionView>

/** How the longer self-test stands that a fault demands; who passes it and differs too often is asked once more. */
export const SelfTestState = z.enum(['none', 'demanded', 'demanded_again', 'passed', 'failed'])
export type SelfTestState = z.infer<typeof SelfTestState>

/** What only the owner of a host sees of it. */
export const OwnView = z.object({
  selfTest: SelfTestState,
  dailyQuota: z.int(),
  /** Newest first. */
  notices: z.array(z.object({ at: WireInstant, text: z.string() })),
  exclusion: ExclusionView.nullable(),
})
export type OwnView = z.infer<typeof OwnView>

/** GET /api/v1/actions: what was done to volunteers, newest first. */
export const ActionList = z.object({
  actions: z
    .array(
      z.object({
        id: ActionId,
        kind: z.enum(['quarantine', 'release']),
        /** Random, and of no use once the account was deleted. */
        pseudonym: z.string(),
        actor: z.enum(['server', 'operator']),
        reason: z.string(),
        at: WireInstant,
        appeal: AppealState,
        /** The operator's reason, of a decided appeal. */
        decision: z.string().nullable(),
        /** Only for operators: whom, exactly why, since when everybody can read it, and the words of the appeal. */
        hostIds: z.array(HostId).optional(),
        detail: z.string().optional(),
        public: z.boolean().optional(),
        words: z.string().nullable().optional(),
      }),
    )
    .max(PAGE_ROWS_MAX),
  /** Give it as `after` to read on; null at the end. */
  nextAfter: ActionId.nullable(),
})
export type ActionList = z.infer<typeof ActionList>

/** DELETE /api/v1/me: a person who is logged in says the password once more; a token needs no body. */
export const DeleteBody = z.strictObject({ password: z.string().min(1).max(PASSWORD_CHARS_MAX) })

/** The reply to it. */
export const DeletedReply = z.object({ userId: UserId, deleted: z.literal(true) })
export type DeletedReply = z.infer<typeof DeletedReply>
