import { APPEAL_DAYS, SELF_TESTS_FAILED_MAX } from '#protocol/limits.ts'

/** The sentence that the owner of a host hears about an event; null for what is only noted. `detail` is the event's. */
export function noticeOf(event: string, detail: string): string | null {
  switch (event) {
    case 'differs_from_trusted':
      return 'A result of this machine differs from a trusted re-run. It may be one flipped bit: its results that nobody checked are checked again, and it tests itself before it gets more work.'
    case 'invalid':
      return 'A report of this machine could not be read and was not counted.'
    case 'paused':
      return 'Another machine of the same owner is looked into. This one gets no work until its own results were checked again.'
    case 'quarantined':
      return `This machine gets no more work: ${limited(detail)}. Credit for results that nobody checked was taken back. You can appeal within ${APPEAL_DAYS} days: xeenet host appeal.`
    case 'released':
      return `This machine gets work again: ${limited(detail)}.`
    case 'throttled':
      return 'So much went wrong on this machine lately that it gets only a few tasks a day. Each valid result doubles that.'
    case 'self_test_failed':
      return 'This machine does not compute what all others compute. It is no offence, but it gets only a few tasks a day: check its memory, cooling and overclocking, then run xeenet doctor.'
    case 'retired_broken':
      return `The self-test of this machine failed ${SELF_TESTS_FAILED_MAX} times: it gets no more work. It is no offence; when its memory, cooling or processor is mended, enrol it again.`
    case 'claimed':
      return 'This machine belongs to an account now, and so does its credit.'
    case 'appeal_rejected':
      return `The appeal was rejected: ${limited(detail)}.`
    default:
      return null
  }
}

const REASON_CHARS = 250

const limited = (reason: string): string => reason.slice(0, REASON_CHARS).toWellFormed().replace(/\.$/, '')
