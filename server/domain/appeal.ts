import { APPEAL_DAYS } from '#protocol/limits.ts'
import { addMs, type Instant } from '#protocol/units.ts'

const DAY_MS = 24 * 3600_000

/** Until when what is done now can be appealed. */
export const appealUntil = (now: Instant): Instant => addMs(now, APPEAL_DAYS * DAY_MS)

export interface Exclusion {
  readonly appealUntil: Instant
  /** Whether somebody appealed, and how that was decided. */
  readonly appeal: 'none' | 'open' | 'upheld' | 'rejected'
}

/** Whether an exclusion can be appealed: once, while its period lasts. */
export const mayAppeal = ({ appealUntil, appeal }: Exclusion, now: Instant): boolean =>
  appeal === 'none' && now <= appealUntil

/** Whether everybody may read of an exclusion: its appeal period is over, or its appeal was decided. */
export const isPublic = ({ appealUntil, appeal }: Exclusion, now: Instant): boolean =>
  now > appealUntil || appeal === 'upheld' || appeal === 'rejected'

/** A reason as everybody may read it: without ids, which lead to results, and those to hosts. */
export const publicReason = (reason: string): string => reason.replace(/\b[a-z]_[0-9a-z]{26}\b/g, '…')
