import { expect, test } from 'vitest'
import type { CampaignTicks } from '#protocol/ticks.ts'
import { CampaignId } from '#protocol/units.ts'
import { type Hour, homeAfter, hourAfter, ticksAfter } from '../../client/web/hour.ts'
import type { News } from '../../client/web/live.ts'

const [ONE, TWO] = ['1', '2'].map(digit => CampaignId.parse(`c_${digit.repeat(26)}`)) as [
  CampaignId,
  CampaignId,
]
const at = (seconds: number): string => new Date(3600_000 + seconds * 1000).toISOString()
const tick = (seconds: number, best = false) => ({
  ...{ at: at(seconds), runs: 2, failed: 1, agreed: 2, best },
})
const told = (campaignId: CampaignId, seconds: number, runs = 2): News => {
  const { best: _, ...rest } = tick(seconds)
  return { kind: 'ticks', id: '1-1', ticks: [{ ...rest, campaignId, runs }] }
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
  ticks: [tick(5)],
}

test('what is told is added, once: not what was read already, nor what only says that runs were verified', () => {
  const after = hourAfter(HOUR, told(TWO, 12))
  expect(after).toMatchObject({ runs: 4, failed: 2, ticks: [tick(5), tick(12)] })
  expect(hourAfter(HOUR, told(TWO, 9))).toEqual(HOUR)
  expect(hourAfter(HOUR, told(TWO, 12, 0))).toEqual(HOUR)
  expect(hourAfter(HOUR, { kind: 'changed', topic: 'account', id: '1-3' })).toEqual(HOUR)
})

test('a new best is marked on the last tick', () => {
  const hour = { ...HOUR, ticks: [tick(1), tick(5)] }
  expect(hourAfter(hour, led(ONE)).ticks.map(({ best }) => best)).toEqual([false, true])
})

test('the first page gives each campaign its ticks, and is read again after what is more than a run', () => {
  const home = {
    at: at(10),
    campaigns: [
      { id: ONE, ticks: [tick(5)] },
      { id: TWO, ticks: [] },
    ],
  } as never
  expect(homeAfter(home, told(TWO, 12))).toMatchObject({
    campaigns: [{ ticks: [tick(5)] }, { ticks: [tick(12)] }],
  })
  expect(homeAfter(home, told(TWO, 9))).toEqual(home)
  expect(homeAfter(home, led(ONE))).toBeUndefined()
})

test('the ticks of a campaign go on behind the last that was read', () => {
  const known: CampaignTicks = { campaignId: ONE, runs: 2, failed: 1, ticks: [tick(5)] }
  const after = ticksAfter(ticksAfter(ticksAfter(known, told(ONE, 5)), told(ONE, 6)), led(ONE))
  expect(after).toMatchObject({ runs: 4, failed: 2, ticks: [tick(5), tick(6, true)] })
  expect(ticksAfter({ ...known, runs: 0, ticks: [] }, told(ONE, 1)).runs).toBe(2)
})
