import { describe, expect, test } from 'vitest'
import { type Observation, residualsOf, robustZ, suspicionOf } from '#domain/residual.ts'

const CLEAN = { recentChecks: '====', selfTest: 'none', ownerExclusions: 0 } as const

/** Twenty hosts of twenty results each, alike but for noise; host `odd` as `change` makes it. */
function grid(change: (o: Observation, i: number) => Observation): Observation[] {
  return Array.from({ length: 400 }, (_, i) => {
    const host = i % 20
    const noise = Math.sin(i * 12.9898) // neither host nor order shows in it
    const o: Observation = {
      ...{ hostId: host === 0 ? 'odd' : `h${host}`, campaignId: `c${i % 3}`, engineClass: 'wasm' },
      ...{ goal: 'minimize', outcome: i % 37 === 7 ? 'error' : 'success' },
      ...{ metric: 3 + noise / 10, fuelUsed: 1e9, cpuMs: 1000 * Math.exp(Math.sin(host * 7) / 3) },
    }
    return host === 0 ? change(o, i) : o
  })
}

const suspicions = (observations: readonly Observation[]) =>
  residualsOf(observations).map(r => ({ host: r.hostId, ...suspicionOf(r, CLEAN) }))

test('a robust score is 0.6745 · (x − median) / MAD, bounded, and nothing among few or equal values', () => {
  const peers = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  expect(robustZ(9, peers)).toBeCloseTo((0.6745 * 4) / 2, 10)
  expect(robustZ(1e9, peers)).toBe(20)
  expect(robustZ(1, [1, 2, 3])).toBeNull()
  expect(robustZ(2, Array(20).fill(1))).toBeNull()
})

describe('the odd one of twenty hosts', () => {
  test('without a difference is suspected as little as the others', () => {
    expect(suspicions(grid(o => o)).filter(s => s.reasons.length > 0)).toEqual([])
  })

  test.each<[string, RegExp, (o: Observation, i: number) => Observation]>([
    ['claims better metrics', /metrics are better/, o => ({ ...o, metric: (o.metric ?? 0) - 0.15 })],
    ['answers at once', /faster than machines/, o => ({ ...o, cpuMs: 10 })],
    [
      'fails every other time',
      /fails more often/,
      (o, i) => ({ ...o, outcome: i % 40 < 20 ? 'error' : 'success' }),
    ],
  ])('%s', (_what, reason, change) => {
    const flagged = suspicions(grid(change)).filter(s => s.reasons.length > 0)
    expect(flagged.map(s => s.host)).toEqual(['odd'])
    expect(flagged[0]?.reasons.join()).toMatch(reason)
  })

  test('is not suspected of worse metrics, nor of being slow', () => {
    const slow = grid(o => ({ ...o, metric: (o.metric ?? 0) + 1, cpuMs: 60_000 }))
    expect(suspicions(slow).filter(s => s.reasons.length > 0)).toEqual([])
  })

  test('a metric to be maximised is turned round', () => {
    const up = grid(o => ({ ...o, metric: (o.metric ?? 0) + 0.15 })).map(o => ({
      ...o,
      goal: 'maximize' as const,
    }))
    expect(suspicions(up).flatMap(s => (s.reasons.length > 0 ? [s.host] : []))).toEqual(['odd'])
  })
})

test('comparisons with the verifier and the owner’s exclusions weigh as well, and say so', () => {
  const residual = { hostId: 'h', results: 9, metric: null, time: null, errors: null }
  const record = { recentChecks: '=x=x', selfTest: 'failed', ownerExclusions: 1 } as const
  const { score, reasons } = suspicionOf(residual, record)
  expect(score).toBe(16)
  expect(reasons).toEqual([
    '2 of the last 4 comparisons with the verifier differ',
    'its self-test failed: it is broken rather than a liar',
    '1 hosts of its owner were excluded',
  ])
})
