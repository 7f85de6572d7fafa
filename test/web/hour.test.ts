import { expect, test } from 'vitest'
import type { CampaignTicks } from '#protocol/ticks.ts'
import { CampaignId } from '#protocol/units.ts'
import { type Hour, hourAfter, ticksAfter } from '../../client/web/hour.ts'
import type { News } from '../../client/web/live.ts'

const [ONE, TWO] = ['1', '2'].map(digit => CampaignId.parse(`c_${digit.repeat(26)}`)) as [
  CampaignId,
  CampaignId,
]
const at = (seconds: number): string => new Date(3600_000 + seconds * 1000).toISOString()
const tick = (campaignId: CampaignId, seconds: number, best = false) => ({
  ...{ campaignId, at: at(seconds), runs: 2, failed: 1, agreed: 2, best },
})
const told = (campaignId: CampaignId, seconds: number, runs = 2): News => {
  const { best: _, ...rest } = tick(campaignId, seconds)
  return { kind: 'ticks', id: '1-1', ticks: [{ ...rest, runs }] }
}
const led = (campaignId: CampaignId): News => {
  const event = {
    campaignId,
    at: at(20),
    kind: 'campaign.best',
    workUnitId: null,
    experimentId: null,
  } as const
  return { kind: 'campaign', id: '1-2', event: { ...event, detail: 'it leads' } }
}
const HOUR: Hour = {
  ...{ now: at(10), since: at(-3590), runs: 2, failed: 1, hosts: 3, cores: 8, aheadMs: 0 },
  ticks: [tick(ONE, 5)],
}

test('what is told is added, once: not what was read already, nor what only says that runs were verified', () => {
  const after = hourAfter(HOUR, told(TWO, 12))
  expect(after).toMatchObject({ runs: 4, failed: 2, ticks: [tick(ONE, 5), tick(TWO, 12)] })
  expect(hourAfter(HOUR, told(TWO, 9))).toEqual(HOUR)
  expect(hourAfter(HOUR, told(TWO, 12, 0))).toEqual(HOUR)
  expect(hourAfter(HOUR, { kind: 'changed', topic: 'account', id: '1-3' })).toEqual(HOUR)
})

test('a new best is marked on the last tick of its campaign', () => {
  const hour = { ...HOUR, ticks: [tick(ONE, 1), tick(ONE, 5), tick(TWO, 6)] }
  expect(hourAfter(hour, led(ONE)).ticks.map(({ best }) => best)).toEqual([false, true, false])
})

test('the ticks of a campaign go on behind the last that was read', () => {
  const known: CampaignTicks = { campaignId: ONE, runs: 2, failed: 1, ticks: [tick(ONE, 5)] }
  const after = ticksAfter(ticksAfter(ticksAfter(known, told(ONE, 5)), told(ONE, 6)), led(ONE))
  expect(after).toMatchObject({ runs: 4, failed: 2, ticks: [tick(ONE, 5), tick(ONE, 6, true)] })
  expect(ticksAfter({ ...known, runs: 0, ticks: [] }, told(ONE, 1)).runs).toBe(2)
})
