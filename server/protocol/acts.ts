import { z } from 'zod'
import {
  ACT_LETTERS_MAX,
  CAMPAIGNS_OPEN_MAX,
  DETAIL_CHARS_MAX,
  EXPERIMENTS_OPEN_MAX,
  PAGE_ROWS_MAX,
} from './limits.ts'
import { line } from './text.ts'
import {
  ActId,
  ActionId,
  CampaignId,
  HostId,
  ProposalId,
  Sha256,
  UserId,
  Versioned,
  WireInstant,
  WorkUnitId,
} from './units.ts'

export const RoleName = z.enum(['volunteer', 'researcher', 'operator'])
export type RoleName = z.infer<typeof RoleName>

const name = z.string().min(1).max(60)

/** Which work units: everything that is given must hold. Of their results: state, host, error and age, all of one result. */
const unitFields = {
  workUnitId: WorkUnitId.optional(),
  campaignId: CampaignId.optional(),
  /** Of the campaign. */
  ownerId: UserId.optional(),
  kernel: Versioned.optional(),
  engineClass: name.optional(),
  hostId: HostId.optional(),
  state: z.enum(['unsent', 'in_progress', 'pending', 'over']).optional(),
  /** As a host gave it, or `no_reply`. */
  error: name.optional(),
}
const olderThanHours = z
  .number()
  .min(0)
  .max(24 * 365)
  .optional()

/** A filter of a bulk act: it names something, so that nothing is done to everything by leaving a field out. */
export const UnitFilter = z
  .strictObject({ ...unitFields, olderThanHours })
  .refine(filter => Object.values(filter).some(value => value !== undefined), 'name at least one field')
export type UnitFilter = z.infer<typeof UnitFilter>

/** The same as a query. */
export const UnitQuery = z.strictObject({
  ...unitFields,
  olderThanHours: z.coerce.number().pipe(olderThanHours.unwrap()).optional(),
})

const units = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), filter: UnitFilter })
const ofHost = <Kind extends string>(kind: Kind) => z.strictObject({ kind: z.literal(kind), hostId: HostId })
const ofCampaign = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), campaignId: CampaignId })
const ofKernel = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), kernel: Versioned })
const ofUser = <Kind extends string>(kind: Kind) => z.strictObject({ kind: z.literal(kind), userId: UserId })
/** What a dead letter is about: a work unit, campaign, host, proposal, webhook or export by its id. */
export const LetterSubject = z.string().regex(/^[a-z]{1,2}_[0-9a-z]{26}$/)
export type LetterSubject = z.infer<typeof LetterSubject>
const ofLetters = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), subjects: z.array(LetterSubject).min(1).max(ACT_LETTERS_MAX) })
const ofAlert = <Kind extends string>(kind: Kind) =>
  z.strictObject({ kind: z.literal(kind), alertId: z.int().min(1) })

/** Everything an operator does to what others own. One list for the console, the command line and the audit log. */
export const Act = z.discriminatedUnion('kind', [
  ofHost('quarantine_host'),
  ofHost('release_host'),
  z.strictObject({
    kind: z.literal('decide_appeal'),
    actionId: ActionId,
    decision: z.enum(['uphold', 'reject']),
  }),
  ofCampaign('pause_campaign'),
  ofCampaign('resume_campaign'),
  ofCampaign('end_campaign'),
  /** Open units end without an answer; what is not spent goes back to the campaign. */
  units('cancel_units'),
  /** Leases are taken away, and the work is handed out again. */
  units('requeue_units'),
  /** Answers that stand are computed again by the verifier. */
  units('revalidate_units'),
  /** Units are looked at now, whatever they wait for. */
  units('unstick_units'),
  /** Nobody submits with it any more; what runs goes on. */
  ofKernel('deprecate_kernel'),
  ofKernel('restore_kernel'),
  z.strictObject({
    kind: z.literal('set_roles'),
    userId: UserId,
    roles: z.array(RoleName).min(1).max(RoleName.options.length),
  }),
  /** How much of an account may be open at once; null: as everybody's. */
  z.strictObject({
    kind: z.literal('set_quota'),
    userId: UserId,
    campaigns: z.int().min(0).max(CAMPAIGNS_OPEN_MAX).nullable(),
    experiments: z.int().min(0).max(EXPERIMENTS_OPEN_MAX).nullable(),
  }),
  /** No token of the account is taken. Its hosts and campaigns are other acts. */
  ofUser('block_user'),
  ofUser('unblock_user'),
  ofAlert('resolve_alert'),
  ofAlert('reopen_alert'),
  z.strictObject({ kind: z.literal('reject_proposal'), proposalId: ProposalId }),
  /** This key follows the operator's. Only at the command line of the machine that has both. */
  z.strictObject({ kind: z.literal('rotate_key'), keyId: Sha256 }),
  /** What they are about is looked at again, and they are gone; what fails again writes another one. */
  ofLetters('requeue_letters'),
  /** They are gone, and what they are about stays as it is. */
  ofLetters('discard_letters'),
])
export type Act = z.infer<typeof Act>
export type UnitAct = Extract<Act, { filter: UnitFilter }>

/** POST /api/v1/operator/preview */
export const PreviewBody = z.strictObject({ act: Act })

/** What an act would do. Nothing has changed. */
export const PreviewView = z.object({
  act: Act,
  /** How many hosts, units, campaigns or accounts it changes. */
  touches: z.int(),
  sentence: z.string(),
  /** The first of them: an id and a name or state. */
  sample: z.array(z.object({ id: z.string(), what: z.string() })),
  /** It can be undone for some minutes. */
  undoable: z.boolean(),
  /** Give it with the act. It holds for this act of this operator, and for no more than `touches`. */
  token: z.string(),
  expiresAt: WireInstant,
})
export type PreviewView = z.infer<typeof PreviewView>

export const Reason = line(DETAIL_CHARS_MAX).trim().min(1)

/** POST /api/v1/operator/acts: the same token again is answered as before, and does nothing more. */
export const ActBody = z.strictObject({ act: Act, reason: Reason, token: z.string().min(1).max(200) })
export type ActBody = z.infer<typeof ActBody>

/** POST /api/v1/operator/acts/:id/undo */
export const UndoBody = z.strictObject({ reason: Reason })

/** A row of the audit log. */
export const ActView = z.object({
  id: ActId,
  at: WireInstant,
  /** Null: somebody with the machine's own data directory, at its command line. */
  by: z.object({ userId: UserId, name: z.string() }).nullable(),
  act: Act,
  reason: z.string(),
  touched: z.int(),
  sentence: z.string(),
  undoUntil: WireInstant.nullable(),
  /** The act that undid it. */
  undoneBy: ActId.nullable(),
  /** The act that it undid. */
  undoes: ActId.nullable(),
})
export type ActView = z.infer<typeof ActView>

/** GET /api/v1/operator/acts?kind=&by=&subject=, newest first. */
export const ActList = z.object({
  acts: z.array(ActView).max(PAGE_ROWS_MAX),
  nextAfter: ActId.nullable(),
})
export type ActList = z.infer<typeof ActList>
