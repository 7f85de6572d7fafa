import { DAILY_QUOTA_MAX, DAILY_QUOTA_MIN } from '#protocol/limits.ts'
import { unreachable } from './invariant.ts'

/** What happened to one of the host's results. */
export type QuotaEvent = 'error' | 'abort' | 'no_reply' | 'invalid' | 'valid'

/**
 * The host's daily quota (results a day) after `event`: halved by a failure of any kind, down to DAILY_QUOTA_MIN, so
 * that a broken machine wastes little and can still recover; doubled by a valid result, up to DAILY_QUOTA_MAX.
 */
export function nextQuota(quota: number, event: QuotaEvent): number {
  switch (event) {
    case 'error':
    case 'abort':
    case 'no_reply':
    case 'invalid':
      return Math.max(DAILY_QUOTA_MIN, Math.floor(quota / 2))
    case 'valid':
      return Math.min(DAILY_QUOTA_MAX, quota * 2)
    default:
      return unreachable(event)
  }
}

// After seven failures in a row a new host is down to fifteen tasks a day: no accident any more, and worth a word.
const THROTTLED_BELOW = 16

/** Whether this change of a quota is one that the owner should hear of. */
export const isThrottled = (before: number, after: number): boolean =>
  before >= THROTTLED_BELOW && after < THROTTLED_BELOW
