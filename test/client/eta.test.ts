import { describe, expect, test } from 'vitest'
import type { CampaignView } from '#protocol/campaign.ts'
import { durationText, etaFrom, etaOf } from '#runtime/eta.ts'

const view = (valid: number, open: number, changes: object = {}) =>
  ({
    state: 'running',
    workUnits: { valid, open, failed: 0, cancelled: 0, provisional: 0 },
    experiments: { planned: 100, created: 50 },
    ...changes,
  }) as unknown as CampaignView

describe('when a campaign will have ended', () => {
  test('by the rate of the runs that were watched, scaled to all experiments', () => {
    // 30 of 50 units are over, and half of the experiments exist: 70 of 100 are left, at one a second.
    const seen = [
      { atMs: 0, over: 10 },
      { atMs: 20_000, over: 30 },
    ]
    expect(etaOf(view(30, 20), seen)).toEqual({ remainingMs: 70_000, byMs: 20_000, byRuns: 20 })
  })

  test('by the last ten minutes only', () => {
    const seen = [
      { atMs: 0, over: 0 },
      { atMs: 500_000, over: 1 },
      { atMs: 1_100_000, over: 31 },
    ]
    expect(etaOf(view(31, 19), seen)).toMatchObject({ byMs: 600_000, byRuns: 30 })
  })

  test('by what the server told of the last ten minutes, or of the hour when that was little', () => {
    const campaign = view(30, 20, { id: 'c_mine', createdAt: new Date(0).toISOString() })
    const tick = (minutes: number, runs: number) =>
      ({ at: new Date(minutes * 60_000).toISOString(), runs }) as never
    const ticks = [tick(20, 10), tick(55, 20)]
    // Twenty in ten minutes, and 70 are left.
    expect(etaFrom(campaign, ticks, 60 * 60_000)).toEqual({
      remainingMs: 35 * 60_000,
      byMs: 600_000,
      byRuns: 20,
    })
    expect(etaFrom(campaign, ticks, 66 * 60_000)).toMatchObject({ byMs: 3600_000, byRuns: 30 })
    // A campaign of five minutes has no more than five.
    const young = view(30, 20, { id: 'c_mine', createdAt: new Date(54 * 60_000).toISOString() })
    expect(etaFrom(young, ticks, 59 * 60_000)).toMatchObject({ byMs: 300_000, byRuns: 20 })
    expect(etaFrom(campaign, ticks, 200 * 60_000)).toBeUndefined()
    expect(etaFrom(view(30, 20, { id: 'c_mine', state: 'paused' }), ticks, 60 * 60_000)).toBeUndefined()
  })

  test.each([
    ['too few runs', view(2, 48), [0, 2]],
    ['a paused campaign', view(30, 20, { state: 'paused' }), [0, 30]],
    ['a campaign that has ended', view(100, 0, { state: 'finished' }), [0, 100]],
  ])('is unknown of %s', (_, campaign, [before = 0, now = 0]) => {
    const seen = [
      { atMs: 0, over: before },
      { atMs: 60_000, over: now },
    ]
    expect(etaOf(campaign, seen)).toBeUndefined()
  })

  test.each([
    [59_000, '59 s'],
    [61_000, '1 min'],
    [4_200_000, '1 h 10 min'],
    [260_000_000, '3 d 0 h'],
  ])('%i ms are %s', (ms, text) => expect(durationText(ms)).toBe(text))
})
