import { z } from 'zod'
import { SignedRelease } from './kernel.ts'
import { DETAIL_CHARS_MAX, PROPOSAL_REASONS_MAX } from './limits.ts'
import { asLines, lines } from './text.ts'
import { ProposalId, Sha256, UserId, WireInstant } from './units.ts'

/** Why a kernel is not fit: one code per rule, where it is broken, and what its author can do about it. */
export const Reason = z.strictObject({
  code: z.string().regex(/^[a-z][a-z0-9_]{0,59}$/),
  detail: lines(DETAIL_CHARS_MAX),
  hint: lines(DETAIL_CHARS_MAX),
})
export type Reason = z.infer<typeof Reason>

/** A reason whose words may come from a stranger's bytes. */
export const reasonOf = (code: string, detail: string, hint: string): Reason => ({
  code,
  detail: asLines(detail, DETAIL_CHARS_MAX),
  hint: asLines(hint, DETAIL_CHARS_MAX),
})

/**
 * received → checked | rejected by the server, which runs nothing; checked → admitted | rejected by an operator; received and
 * checked → withdrawn by the owner.
 */
export const ProposalState = z.enum(['received', 'checked', 'rejected', 'admitted', 'withdrawn'])
export type ProposalState = z.infer<typeof ProposalState>

/** A release that somebody proposed. What its manifest says is null until it could be read. */
export const ProposalView = z.object({
  id: ProposalId,
  ownerId: UserId,
  state: ProposalState,
  kernel: z.string().nullable(), // name@version
  serial: z.int().nullable(),
  title: z.string().nullable(),
  releaseSha256: Sha256,
  moduleSha256: Sha256.nullable(),
  bytes: z.int(),
  /** Why it was rejected. */
  reasons: z.array(Reason),
  /** Of an admitted one: whether the operator compiled the sources and got the same module. */
  rebuilt: z.boolean().nullable(),
  submittedAt: WireInstant,
  decidedAt: WireInstant.nullable(),
})
export type ProposalView = z.infer<typeof ProposalView>

export const ProposalList = z.object({ proposals: z.array(ProposalView), nextAfter: ProposalId.nullable() })
export type ProposalList = z.infer<typeof ProposalList>

/** What an operator sends to admit a proposal: the statement, signed on the operator's own machine. */
export const AdmitBody = z.strictObject({ release: SignedRelease, rebuilt: z.boolean() })
export type AdmitBody = z.infer<typeof AdmitBody>

/** What an operator sends to reject one. */
export const RejectBody = z.strictObject({ reasons: z.array(Reason).min(1).max(PROPOSAL_REASONS_MAX) })
export type RejectBody = z.infer<typeof RejectBody>
