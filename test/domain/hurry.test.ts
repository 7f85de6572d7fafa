import { describe, expect, test } from 'vitest'
import { chooseHurried as choose, passOn, type Tail } from '#domain/hurry.ts'
import { WorkUnitId } from '#protocol/units.ts'

const unitId = (n: number): WorkUnitId => WorkUnitId.parse(`w_${String(n).padStart(26, '0')}`)

/** A campaign of a thousand runs that took two minutes each, with leases of so many seconds. */
const tail = (seconds: readonly number[], given: Partial<Tail> = {}): Tail => ({
  ...{ typicalMs: 120_000, samples: 100, units: 1000, hurried: 0 },
  computing: seconds.map((s, i) => ({ id: unitId(i), isVerifiable: i % 2 === 1, sinceMs: s * 1000 })),
  ...given,
})

/** While no verifier is idle. */
const chooseHurried = (tails: readonly Tail[], hosts: number) =>
  choose(tails, { hosts, verifierRoom: 0 }).toProven

describe('a second host is asked', () => {
  test('for what takes a seventh as long again as usual, the longest first', () => {
    expect(chooseHurried([tail([100, 139, 137, 400, 138])], 10)).toEqual([unitId(3), unitId(1)])
  })
  test('by no more than are idle', () => {
    expect(chooseHurried([tail([200, 300, 400])], 2)).toEqual([unitId(2), unitId(1)])
    expect(chooseHurried([tail([200])], 0)).toEqual([])
  })
  test('who is a verifier while one is idle, and a proven host for the others', () => {
    const four = [tail([200, 300, 400, 500])]
    expect(choose(four, { hosts: 1, verifierRoom: 1 })).toEqual({
      toVerifier: [unitId(3)],
      toProven: [unitId(2)],
    })
    expect(choose(four, { hosts: 0, verifierRoom: 9 })).toEqual({
      toVerifier: [unitId(3), unitId(1)],
      toProven: [],
    })
  })
  test('for one in twenty of a campaign', () => {
    const slow = Array.from({ length: 80 }, () => 275)
    expect(chooseHurried([tail(slow)], 1000)).toHaveLength(50)
    expect(chooseHurried([tail(slow, { hurried: 45 })], 1000)).toHaveLength(5)
    expect(chooseHurried([tail(slow, { hurried: 50 })], 1000)).toEqual([])
    expect(chooseHurried([tail([275], { units: 3 })], 1)).toHaveLength(1)
  })
  test('for one in twenty more each time that it is overdue twice as long', () => {
    const spent = (seconds: number, hurried: number) =>
      chooseHurried([tail([seconds], { hurried })], 1).length
    expect([275, 277].map(seconds => spent(seconds, 50))).toEqual([0, 1])
    expect([551, 553].map(seconds => spent(seconds, 100))).toEqual([0, 1])
    expect([1103, 1105].map(seconds => spent(seconds, 150))).toEqual([0, 1])
    const mixed = [...Array.from({ length: 60 }, () => 200), 301]
    expect(chooseHurried([tail(mixed, { hurried: 50 })], 1000)).toEqual([unitId(60)])
    expect(chooseHurried([tail(mixed, { hurried: 45 })], 1000)).toHaveLength(5)
  })
  test('not before it is known how long a run takes', () => {
    expect(chooseHurried([tail([500], { samples: 9 })], 1)).toEqual([])
  })
  test('for runs of a moment not before ten seconds', () => {
    expect(chooseHurried([tail([9, 11], { typicalMs: 50 })], 2)).toEqual([unitId(1)])
  })
  test('first for the campaign that waits longest for its own measure', () => {
    const short = tail([], {
      typicalMs: 60_000,
      computing: [{ id: unitId(7), isVerifiable: false, sinceMs: 400_000 }],
    })
    expect(chooseHurried([tail([600]), short], 1)).toEqual([unitId(7)])
  })
})

describe('a drawn check that no newcomer is there for', () => {
  const kept = [1, 2, 3].map(n => ({ id: unitId(n), isVerifiable: n > 1 }))
  test.each([
    ['goes to a proven host while the verifier is busy', 0, [], [1, 2, 3]],
    ['goes to the verifier at the end of its campaign, as far as that has room', 1, [2], [1, 3]],
    ['goes to a proven host where it is not for the verifier', 9, [2, 3], [1]],
    ['goes to a proven host while more waits for the verifier than it has cores', -4, [], [1, 2, 3]],
  ])('%s', (_, room, toVerifier, toProven) => {
    const expected = { toVerifier: toVerifier.map(unitId), toProven: toProven.map(unitId) }
    expect(passOn(kept, room)).toEqual(expected)
  })
})
