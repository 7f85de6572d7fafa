import { expect, test } from 'vitest'
import { type Attempt, afterAttempt, messageOf, webhookSecret } from '#domain/webhook.ts'
import { addMs, CampaignId, WebhookId } from '#protocol/units.ts'
import { T0, testIds } from '#support/builders.ts'

const answered = (status: number): Attempt => ({ type: 'answered', status })
const decide = (attempt: Attempt, { isTest = false, failures = 0 } = {}) =>
  afterAttempt({ isTest, failures, attempt, now: T0 })

test.each([
  [answered(200), 'delivered go_on'],
  [answered(204), 'delivered go_on'],
  [answered(302), 'pending wait'],
  [answered(410), 'pending disable'],
  [answered(500), 'pending wait'],
  [{ type: 'refused', reason: 'not public' } as const, 'pending wait'],
  [{ type: 'broken', reason: 'no answer' } as const, 'pending wait'],
])('a message whose attempt ends with %j is %s', (attempt, expected) => {
  const { delivery, hook } = decide(attempt)
  expect(`${delivery} ${hook.type}`).toBe(expected)
})

test.each([
  [answered(200), 'delivered go_on'],
  [answered(410), 'failed as_it_was'],
  [{ type: 'broken', reason: 'no answer' } as const, 'failed as_it_was'],
])('a test that ends with %j is %s, and is not repeated', (attempt, expected) => {
  const { delivery, hook } = decide(attempt, { isTest: true, failures: 9 })
  expect(`${delivery} ${hook.type}`).toBe(expected)
})

test('ten failures in a row, over more than three days, disable a webhook', () => {
  const delays: number[] = []
  for (let failures = 0; ; failures++) {
    const { hook } = decide(answered(500), { failures })
    if (hook.type !== 'wait') {
      expect(hook).toEqual({
        type: 'disable',
        reason: '10 attempts failed in a row; the last: answered 500',
      })
      break
    }
    delays.push(hook.until - T0)
  }
  expect(delays).toEqual([...delays].sort((a, b) => a - b))
  expect(delays.length).toBe(9)
  expect(
    addMs(
      T0,
      delays.reduce((sum, ms) => sum + ms),
    ) - T0,
  ).toBeGreaterThan(3 * 24 * 3600_000)
})

test('secrets have 32 bytes in the form of the specification, and differ by webhook and by server', () => {
  const [a, b] = [testIds.webhook(T0), testIds.webhook(T0)]
  expect(webhookSecret('s', a)).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(new Set([webhookSecret('s', a), webhookSecret('s', b), webhookSecret('t', a)]).size).toBe(3)
  expect(webhookSecret('s', WebhookId.parse(a))).toBe(webhookSecret('s', a))
})

test('a message says what happened, when, and where to read on', () => {
  const campaignId = CampaignId.parse(testIds.campaign(T0))
  const data = { campaignId, cursor: '7-3', workUnitId: null, experimentId: null, detail: 'x' }
  const told = { kind: 'campaign.finished', at: T0, ...data }
  expect(JSON.parse(messageOf(told))).toEqual({
    type: 'campaign.finished',
    timestamp: new Date(T0).toISOString(),
    data,
  })
})
