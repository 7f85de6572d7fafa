import { describe, expect, test } from 'vitest'
import { appealUntil, isPublic, mayAppeal, publicReason } from '#domain/appeal.ts'
import { judgeClaim } from '#domain/claim.ts'
import { enrolmentWindows, fullFor } from '#domain/enrolment.ts'
import { noticeOf } from '#domain/notice.ts'
import { isThrottled } from '#domain/quota.ts'
import { addMs, instant, UserId } from '#protocol/units.ts'
import { T0 } from '#support/builders.ts'

const DAY_MS = 24 * 3600_000

describe('an exclusion', () => {
  const end = appealUntil(T0)
  test.each([
    ['none', 0, true, false],
    ['none', 14 * DAY_MS, true, false],
    ['none', 14 * DAY_MS + 1, false, true],
    ['open', 1, false, false],
    ['open', 14 * DAY_MS + 1, false, true], // an operator cannot hide it by not deciding
    ['upheld', 1, false, true],
    ['rejected', 1, false, true],
  ] as const)('appeal %s after %d ms: it may be appealed: %s, it is public: %s', (appeal, ms, may, shown) => {
    const exclusion = { appealUntil: end, appeal }
    expect(mayAppeal(exclusion, addMs(T0, ms))).toBe(may)
    expect(isPublic(exclusion, addMs(T0, ms))).toBe(shown)
  })

  test('is public without the ids that lead to a host', () => {
    const id = '0123456789abcdefghjkmnpqrs'
    expect(publicReason(`result r_${id} of work unit w_${id}: its digest was accepted before`)).toBe(
      'result … of work unit …: its digest was accepted before',
    )
  })
})

describe('a claim', () => {
  const ada = UserId.parse(`u_${'a'.repeat(26)}`)
  const bob = UserId.parse(`u_${'b'.repeat(26)}`)
  test.each([
    [{ userId: null, state: 'active', trusted: false, isPursued: false }, 'claim'],
    [{ userId: null, state: 'active', trusted: false, isPursued: true }, 'host_barred'],
    [{ userId: null, state: 'paused', trusted: false, isPursued: false }, 'host_barred'],
    [{ userId: null, state: 'quarantined', trusted: false, isPursued: false }, 'host_barred'],
    [{ userId: null, state: 'retired', trusted: false, isPursued: false }, 'host_retired'],
    [{ userId: ada, state: 'active', trusted: false, isPursued: false }, 'already'],
    [{ userId: ada, state: 'quarantined', trusted: false, isPursued: false }, 'already'],
    [{ userId: bob, state: 'active', trusted: false, isPursued: false }, 'host_claimed'],
    [{ userId: ada, state: 'active', trusted: true, isPursued: false }, 'host_barred'],
  ] as const)('of %o is: %s', (host, outcome) => {
    expect(judgeClaim(host, ada)).toBe(outcome)
  })
})

describe('enrolments are counted', () => {
  const limits = { perMinute: 2, perPrefixDay: 3 }
  const now = instant(Date.UTC(2026, 10, 22, 23, 59, 30))

  test('of everybody by the minute, and of a network by the day', () => {
    const [all, mine, ...none] = enrolmentWindows('abc', limits, now)
    expect(all).toMatchObject({ scope: 'all', max: 2, until: now + 30_000 })
    expect(mine).toMatchObject({
      scope: 'prefix:abc',
      max: 3,
      until: now + 30_000,
      since: Date.UTC(2026, 10, 22),
    })
    expect(none).toEqual([])
    expect(enrolmentWindows(null, limits, now).map(({ scope }) => scope)).toEqual(['all'])
  })

  test.each([
    [{}, undefined],
    [{ all: 1, 'prefix:abc': 2 }, undefined],
    [{ all: 2 }, 30_000],
    [{ 'prefix:abc': 3 }, 12 * 3600_000 + 30_000],
    [{ all: 9, 'prefix:abc': 9 }, 12 * 3600_000 + 30_000],
  ])('%o before: wait %s ms', (counts, waitMs) => {
    const noon = instant(now - 12 * 3600_000)
    const windows = enrolmentWindows('abc', limits, noon)
    expect(fullFor(windows, new Map(Object.entries(counts)), noon)).toBe(waitMs)
  })
})

describe('notices', () => {
  test.each([
    ['disputed', false],
    ['no_reply', false],
    ['error:internal', false],
    ['self_test_passed', false],
    ['differs_from_trusted', true],
    ['invalid', true],
    ['paused', true],
    ['quarantined', true],
    ['released', true],
    ['throttled', true],
    ['self_test_failed', true],
    ['claimed', true],
    ['appeal_rejected', true],
  ])('%s is told: %s', (event, told) => {
    expect(noticeOf(event, 'because') !== null).toBe(told)
  })

  test('fit in the column and are whole sentences, however long a reason is and wherever it is cut', () => {
    for (const event of ['quarantined', 'released', 'appeal_rejected', 'differs_from_trusted']) {
      const notice = noticeOf(event, '🜛'.repeat(400))!
      expect(notice.length).toBeLessThanOrEqual(500)
      expect(notice.isWellFormed()).toBe(true)
      expect(notice).toMatch(/^[A-Z].*\.$/s)
    }
  })

  test.each([
    [16, 8, true],
    [15, 7, false],
    [2_000, 1_000, false],
    [8, 16, false],
  ])('a quota that goes from %d to %d is worth a word: %s', (before, after, told) => {
    expect(isThrottled(before, after)).toBe(told)
  })
})
