import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reopen } from '#domain/reopen.ts'
import type { Success } from '#domain/settle.ts'
import {
  answerSelfTest,
  drawCheck,
  drawn,
  drawSample,
  fault,
  mayCompute,
  NO_STREAK,
  passCheck,
  provenFuel,
  type Standing,
  spreadExclusion,
  streakNeeded,
  streakOf,
  TRUST,
} from '#domain/trust.ts'
import { DAILY_QUOTA_MIN } from '#protocol/limits.ts'
import { addMs } from '#protocol/units.ts'
import { hostId, NOW, resultId, workUnit } from '#support/work-units.ts'

const host: Standing = {
  ...({ id: hostId(1), userId: null, ownerKey: 'one', state: 'active', dailyQuota: 1000 } as const),
  ...({ recentChecks: '', selfTest: 'none', streaks: {} } as const),
}

describe('proven', () => {
  test.each([
    [0, 10],
    [1, 20],
    [3, 80],
    [1000, 10 * 2 ** 20],
  ])('after %i exclusions of its owner a host needs %i confirmed results', (exclusions, needed) => {
    expect(streakNeeded(exclusions, TRUST)).toBe(needed)
  })
  test.each([
    [{ count: 9, fuel: 1e12 }, 0, 0],
    [{ count: 10, fuel: 50 }, 0, 10], // five times the fuel of the unit
    [{ count: 10, fuel: 54 }, 0, 10],
    [{ count: 19, fuel: 1e12 }, 1, 0],
    [{ count: 20, fuel: 100 }, 1, 20],
  ])('a streak of %o after %i exclusions is good for units of %i fuel', (streak, exclusions, fuel) => {
    expect(provenFuel(streak, exclusions, TRUST)).toBe(fuel)
  })
})

describe('a check of a report', () => {
  const unit = { policy: 'adaptive', minQuorum: 2 } as const
  const one = { ...unit, minQuorum: 1 }
  test.each([
    ['of a stranger: it needs company anyway', unit, { proven: false }, [0, 0], 'none'],
    ['of a fixed quorum', { ...unit, policy: 'fixed' as const }, {}, [0, 0], 'none'],
    ['of a new proven host', unit, { streak: 10 }, [0.099, 0.5], 'replica'],
    ['of a new proven host', unit, { streak: 10 }, [0.1, 0.5], 'none'],
    ['a fifth by the verifier', unit, { streak: 10 }, [0.099, 0.19], 'verifier'],
    ['never less than one in twenty', unit, { streak: 1000 }, [0.049, 0.5], 'replica'],
    ['never less than one in twenty', unit, { streak: 1000 }, [0.05, 0.5], 'none'],
    ['that diverged stands never alone', unit, { streak: 1000, ok: false }, [0.9, 0.9], 'replica'],
    ['of a newcomer that would be believed', one, { proven: false, streak: 0 }, [0.99, 0.5], 'replica'],
    ['of a host with a short streak', one, { proven: false, streak: 2 }, [0.5, 0.5], 'none'],
  ] as const)('%s, %o %o, drawing %o: %s', (_, of, facts, draws, outcome) => {
    expect(drawCheck({ unit: of, ok: true, proven: true, streak: 10, ...facts }, draws, TRUST)).toBe(outcome)
  })

  test('the draws are uniform, independent of each other, and differ by secret, purpose and id', () => {
    const draws = Array.from({ length: 20_000 }, (_, i) => drawn('a secret', 'check', resultId(i)))
    const share = (holds: (pair: readonly [number, number]) => boolean): number =>
      draws.filter(holds).length / draws.length
    expect(draws.flat().every(u => u >= 0 && u < 1)).toBe(true)
    // four standard errors of a share of 20,000 draws
    expect(Math.abs(share(([u]) => u < 0.05) - 0.05)).toBeLessThan(0.0062)
    expect(Math.abs(share(([u, v]) => u < 0.5 && v < 0.2) - 0.1)).toBeLessThan(0.0085)
    expect(drawn('another', 'check', resultId(1))).not.toEqual(draws[1])
    expect(drawn('a secret', 'sample', resultId(1))).not.toEqual(draws[1])
    expect(drawn(new TextEncoder().encode('a secret'), 'check', resultId(1))).toEqual(draws[1])
  })

  test('a tenth of the units is drawn when they are created', () => {
    expect([0, 0.0999, 0.1, 0.9].map(u => drawSample([u, 0], TRUST))).toEqual([
      'sample',
      'sample',
      'none',
      'none',
    ])
  })
})

describe('lying or broken?', () => {
  const faults = (n: number): Standing =>
    Array.from({ length: n }).reduce<Standing>(
      before => fault({ ...before, recentChecks: `${before.recentChecks}x` }, 'wasm', NOW),
      host,
    )

  test('a fault ends the streak, halves the quota and demands a self-test before anything else', () => {
    const after = fault({ ...host, streaks: { wasm: { ...NO_STREAK, count: 99, fuel: 1e12 } } }, 'wasm', NOW)
    expect(after).toMatchObject({ dailyQuota: 500, selfTest: 'demanded', state: 'active' })
    expect(streakOf(after, 'wasm')).toEqual({ ...NO_STREAK, faultAt: NOW })
    expect([mayCompute(host), mayCompute(after)]).toEqual([true, false])
  })
  const again = answerSelfTest(faults(3), true)
  test.each([
    ['one fault and a sound machine', faults(1), true, 'active', 'passed'],
    ['two', faults(2), true, 'active', 'passed'],
    ['three and a machine that looks sound is asked again', faults(3), true, 'active', 'demanded_again'],
    ['three and twice a sound machine: it lied', again, true, 'quarantined', 'passed'],
    ['three and a machine whose second test finds it', again, false, 'active', 'failed'],
    ['three and a broken machine', faults(3), false, 'active', 'failed'],
    ['nobody asked', host, true, 'active', 'none'],
  ])('%s', (_, before, passed, state, selfTest) => {
    const after = answerSelfTest(before, passed)
    expect(after).toMatchObject({ state, selfTest })
    if (selfTest === 'failed') expect(after.dailyQuota).toBe(DAILY_QUOTA_MIN)
    // What the machine is guilty of speaks for no lie.
    const remembered = selfTest === 'failed' ? before.recentChecks.replaceAll('x', '') : before.recentChecks
    expect(after.recentChecks.split('x').length).toBe(remembered.split('x').length)
    expect(mayCompute(after)).toBe(state === 'active' && selfTest !== 'demanded_again')
    if (selfTest !== 'demanded_again') expect(answerSelfTest(after, passed)).toEqual(after)
  })
})

test('however checks go, a streak counts what was confirmed since the last fault, and finality never goes back', () => {
  const check = fc.record({ passes: fc.boolean(), fuel: fc.nat(1e6), at: fc.nat(1000) })
  fc.assert(
    fc.property(fc.array(check, { maxLength: 30 }), checks => {
      let standing = host
      let [count, fuel] = [0, 0]
      for (const [i, { passes, fuel: used, at }] of checks.entries()) {
        const before = streakOf(standing, 'wasm')
        standing = passes
          ? passCheck(standing, { engineClass: 'wasm', fuel: used, at: addMs(NOW, at) })
          : fault(standing, 'wasm', addMs(NOW, i))
        ;[count, fuel] = passes ? [count + 1, fuel + used] : [0, 0]
        const streak = streakOf(standing, 'wasm')
        expect(streak).toMatchObject({ count, fuel })
        expect(streak.finalUntil ?? 0).toBeGreaterThanOrEqual(before.finalUntil ?? 0)
        expect(provenFuel(streak, 0, TRUST)).toBe(count < 10 ? 0 : Math.floor(fuel / 5))
      }
    }),
    { numRuns: 10_000 },
  )
})

describe('re-opening', () => {
  const valid = workUnit(
    { policy: 'adaptive' },
    { state: 'valid', canonicalId: resultId(1), publishedAt: NOW },
  )
  const said = (n: number, changes: Partial<Success> = {}): Success => ({
    ...{ id: resultId(n), hostId: hostId(n), ownerKey: `owner ${n}`, trusted: false, proven: true },
    ...({ draw: 'none', verdict: 'valid', confirmed: false, reportedAt: NOW, fuelUsed: 1 } as const),
    ...{ paid: { amountMilli: 6, decision: 0, vested: true }, decision: 1, unreadable: null, ...changes },
  })
  const doubted = (changes: Partial<Standing> = {}) =>
    new Map([[hostId(1), { ...fault(host, 'wasm', NOW), ...changes }]])

  test('a fault re-opens what nobody confirmed, with everything that was judged there', () => {
    const successes = [
      said(1),
      said(2),
      said(3, { verdict: 'inconclusive' }),
      said(4, { verdict: 'invalid' }),
    ]
    expect(reopen({ workUnit: valid, successes }, doubted())).toEqual({
      ...{ workUnitId: valid.id, results: [resultId(1), resultId(2), resultId(3)], reversals: [] },
    })
  })
  test.each([
    ['confirmed', [said(1, { confirmed: true })], doubted()],
    ['reported since', [said(1, { reportedAt: addMs(NOW, 1) })], doubted()],
    ['of another host', [said(2)], doubted()],
    ['not valid', [said(1, { verdict: 'inconclusive' })], doubted()],
  ])('what was %s stays', (_, successes, hosts) => {
    expect(reopen({ workUnit: valid, successes }, hosts)).toBeUndefined()
  })
  test('an open unit is open already', () => {
    expect(reopen({ workUnit: workUnit(), successes: [said(1)] }, doubted())).toBeUndefined()
  })
  test('an excluded host loses its pay at once, whenever it reported; its partner keeps what it has', () => {
    const out = doubted({ state: 'quarantined', streaks: {} })
    expect(reopen({ workUnit: valid, successes: [said(1), said(2)] }, out)?.reversals).toMatchObject([
      { resultId: resultId(1), amountMilli: 6 },
    ])
  })
  test('an excluded host whose account was deleted before anybody acted on it gets away with nothing', () => {
    const gone = doubted({ state: 'retired', streaks: {} })
    expect(reopen({ workUnit: valid, successes: [said(1)] }, gone)?.reversals).toHaveLength(1)
  })
  test('a paused host’s results are looked at again, and it keeps its pay meanwhile', () => {
    const paused = doubted({ state: 'paused', streaks: {} })
    expect(reopen({ workUnit: valid, successes: [said(1)] }, paused)).toMatchObject({ reversals: [] })
  })
})

describe('the other hosts of an owner', () => {
  const hosts = (...states: Standing['state'][]): Standing[] =>
    states.map((state, i) => ({ ...host, id: hostId(i + 1), state, userId: 'u_1' as Standing['userId'] }))
  const after = (excluded: readonly number[], ...states: Standing['state'][]): string[] =>
    spreadExclusion(hosts(...states), new Set(excluded.map(hostId))).map(
      ({ id, state }) => `${Number(id.slice(2))} ${state}`,
    )
  test.each([
    [
      'one is excluded: the others are paused',
      [1],
      ['quarantined', 'active', 'active'],
      ['2 paused', '3 paused'],
    ],
    ['a second one is: all are out', [1, 2], ['quarantined', 'quarantined', 'paused'], ['3 quarantined']],
    ['also those that were not paused', [1, 2], ['quarantined', 'quarantined', 'active'], ['3 quarantined']],
    ['who retired stays retired', [1, 2], ['quarantined', 'quarantined', 'retired'], []],
    ['nothing changes twice', [1], ['quarantined', 'paused'], []],
  ] as const)('%s', (_, excluded, states, changes) => {
    expect(after(excluded, ...states)).toEqual(changes)
  })
  test('that are anonymous are only paused, however many of their network were excluded', () => {
    const anonymous = hosts('quarantined', 'quarantined', 'paused', 'active').map(one => ({
      ...one,
      userId: null,
    }))
    const changed = spreadExclusion(anonymous, new Set([hostId(1), hostId(2)]))
    expect(changed.map(({ id, state }) => [id, state])).toEqual([[hostId(4), 'paused']])
  })
  test('of a network are in doubt for their own faults only; of a person also for its other hosts', () => {
    const [paused] = hosts('paused')
    const faulty = (ownerKey: string) => fault({ ...paused!, ownerKey }, 'wasm', NOW)
    expect(faulty('prefix:one')).toMatchObject({ state: 'paused', selfTest: 'demanded' })
    expect(faulty('user:one').state).toBe('quarantined')
  })
  test('of another owner are not touched', () => {
    const [one, two] = hosts('quarantined', 'active')
    expect(spreadExclusion([one!, { ...two!, ownerKey: 'another' }], new Set([hostId(1)]))).toEqual([])
  })
})
