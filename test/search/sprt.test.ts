import { describe, expect, test } from 'vitest'
import { promotionErrors } from '#ops/bench/search/promotions.ts'
import { PAIRS_MAX, PAIRS_MIN } from '#protocol/limits.ts'
import { askedInOrder, type Standing } from '#search/bandit.ts'
import { alphaOf, sprt } from '#search/sprt.ts'
import { streamOf } from '#search/stream.ts'

const settings = { effect: 1, deviation: 1, test: 1, alpha: 0.05, beta: 0.05 }
const repeated = (gain: number, n: number) =>
  Array.from({ length: n }, (_, i) => gain + (i % 2 === 0 ? 0.1 : -0.1))

describe('a sequential test', () => {
  test.each([
    [
      'decides nothing on less than five pairs, however clear',
      repeated(9, PAIRS_MIN - 1),
      'more',
      PAIRS_MIN - 1,
    ],
    ['promotes a clear gain', repeated(1, 30), 'promote', 5],
    ['rejects no gain', repeated(0, 30), 'reject', 5],
    ['rejects a loss at once', repeated(-1, 30), 'reject', PAIRS_MIN],
    ['wants more while half the effect shows', repeated(0.5, 30), 'more', 30],
    ['ends undecided at 64', repeated(0.5, 90), 'undecided', PAIRS_MAX],
  ])('%s', (_, gains, state, pairs) => {
    expect(sprt({ ...settings, gains })).toMatchObject({ state, pairs })
  })

  test('of runs that do not scatter at all decides by the gain', () => {
    expect(sprt({ ...settings, deviation: 0, gains: Array(5).fill(0) })).toMatchObject({ state: 'reject' })
    expect(sprt({ ...settings, deviation: 0, gains: Array(5).fill(1) })).toMatchObject({ state: 'promote' })
  })

  test('keeps its verdict when more pairs come in', () => {
    const early = sprt({ ...settings, gains: repeated(1, 30) })
    expect(sprt({ ...settings, gains: [...repeated(1, 30), ...repeated(-9, 30)] })).toEqual(early)
  })

  test('is stricter the more tests a campaign has run, and all of them spend alpha together', () => {
    expect(sprt({ ...settings, gains: [], test: 10 }).upper).toBeGreaterThan(
      sprt({ ...settings, gains: [] }).upper,
    )
    const spent = Array.from({ length: 100_000 }, (_, i) => alphaOf(i + 1, 0.05)).reduce((a, b) => a + b)
    expect(spent).toBeLessThan(0.05)
    expect(spent).toBeGreaterThan(0.0499)
  })

  test('does not depend on the unit of the metric', () => {
    const gains = [0.3, 1.2, 0.7, 1.5, 0.2, 0.9, 1.1]
    const scaled = sprt({
      ...settings,
      gains: gains.map(gain => gain / 1000),
      effect: 0.001,
      deviation: 0.001,
    })
    expect(scaled.llr).toBeCloseTo(sprt({ ...settings, gains }).llr, 10)
  })

  // The benchmark runs 10,000 campaigns. Of 400 the share that promotes wrongly has a deviation of 1 %.
  test.each([0.5, 1])(
    'with an effect of %f: campaigns rarely promote nothing, and find one seed deviation',
    effect => {
      const { falsely, missed } = promotionErrors({ campaigns: 400, effect, seeds: 5 })
      expect(falsely).toBeLessThan(0.07)
      expect(missed).toBeLessThan(0.13)
    },
  )
})

describe('a bandit', () => {
  const proposer = (name: Standing['name'], tried: number, promoted: number, pending = 0): Standing => ({
    ...{ name, tried, promoted, pending },
  })
  const share = (proposers: readonly Standing[], name: string): number =>
    Array.from({ length: 2000 }, (_, i) => askedInOrder(proposers, streamOf(3, i))[0]).filter(
      each => each === name,
    ).length / 2000

  test('starts evenly', () => {
    expect(share([proposer('tpe', 0, 0), proposer('propose', 0, 0)], 'propose')).toBeCloseTo(0.5, 1)
  })

  test('prefers who was promoted more often, but never drops the other', () => {
    const proposers = [proposer('tpe', 200, 20), proposer('propose', 200, 2)]
    expect(share(proposers, 'tpe')).toBeGreaterThan(0.9)
    expect(share(proposers, 'propose')).toBeGreaterThan(0.03)
  })

  test('counts what is in flight as tried in vain, so that a batch spreads', () => {
    const before = share([proposer('tpe', 20, 2), proposer('propose', 20, 1)], 'tpe')
    expect(share([proposer('tpe', 20, 2, 80), proposer('propose', 20, 1)], 'tpe')).toBeLessThan(before - 0.2)
  })

  test('is the same again for the same stream', () => {
    const proposers = [proposer('tpe', 5, 1), proposer('gp', 9, 1), proposer('random', 0, 0)]
    const run = () => Array.from({ length: 50 }, (_, i) => askedInOrder(proposers, streamOf(9, i)))
    expect(run()).toEqual(run())
  })
})
