import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AccountName,
  earned,
  escrowAccount,
  netChanges,
  payeeAccount,
  payGrants,
  priceOf,
  quote,
  refund,
  reserve,
  starter,
  type Transfer,
  userAccount,
} from '#domain/ledger.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import { UserId } from '#protocol/units.ts'
import { campaignId, hostId, resultId } from '#support/work-units.ts'

const userId = (n: number): UserId => UserId.parse(`u_${String(n).padStart(26, '0')}`)

test.each([
  [0, 0],
  [1, 1],
  [100_000_000, 1],
  [100_000_001, 2],
  [1_000_000_000, 10],
  [FUEL_MAX, 90_000_000],
])('%i instructions at 10 milli-credits a Gfuel cost %i', (fuel, milli) => {
  expect(priceOf(fuel, 10)).toBe(milli)
})

test('a quote is every result at its full fuel and a tenth more, rounded up', () => {
  expect(quote({ workUnits: 24, fuelMax: 2_000_000_000, quorum: 2 })).toEqual({
    workUnits: 24,
    fuelPlanned: 96_000_000_000,
    priceMilliPerGfuel: 10,
    checkingShare: 0.1,
    reserveMilli: 960 + 96,
  })
  expect(quote({ workUnits: 1, fuelMax: 1e9, quorum: 1 }).reserveMilli).toBe(11)
  expect(quote({ workUnits: 3, fuelMax: 1e8, quorum: 1 }).reserveMilli).toBe(4)
})

test('the largest campaign has an exact quote', () => {
  const { reserveMilli } = quote({ workUnits: 100_000 * 64, fuelMax: FUEL_MAX, quorum: 8 })
  expect(reserveMilli).toBe(5_068_800_000_000_000)
})

test('nobody earns more than was planned for a run', () => {
  expect(earned({ fuelUsed: 5e9, fuelMax: 2e9, priceMilliPerGfuel: 10 })).toBe(20)
  expect(earned({ fuelUsed: 1e9, fuelMax: 2e9, priceMilliPerGfuel: 10 })).toBe(10)
})

test('a host without a user earns for itself', () => {
  expect(payeeAccount({ id: hostId(1), userId: null })).toBe(`host:${hostId(1)}`)
  expect(payeeAccount({ id: hostId(1), userId: userId(2) })).toBe(`user:${userId(2)}`)
})

describe('an escrow that lacks credit', () => {
  const grant = (n: number, amountMilli: number) => ({
    ...{ resultId: resultId(n), decision: 0, campaignId: campaignId(1), amountMilli },
    payee: userAccount(userId(n)),
  })
  const balances = new Map<AccountName, number>([[escrowAccount(campaignId(1)), 25]])

  test('is filled from the mint by exactly what is missing', () => {
    const transfers = payGrants([grant(1, 20), grant(2, 20), grant(3, 20)], balances)
    const summary = transfers.map(t => `${t.kind} ${t.amountMilli}`)
    expect(summary).toEqual(['grant 20', 'overrun 15', 'grant 20', 'overrun 20', 'grant 20'])
    expect(netChanges(transfers).get(escrowAccount(campaignId(1)))).toBe(-25)
  })

  test('pays nothing extra while it has enough', () => {
    expect(payGrants([grant(1, 25)], balances).map(t => t.kind)).toEqual(['grant'])
  })
})

test('a transfer of nothing, or of a part of a milli-credit, is a bug', () => {
  expect(() => starter({ userId: userId(1), amountMilli: 0 })).toThrow('a transfer moves credit')
  expect(() => starter({ userId: userId(1), amountMilli: 0.5 })).toThrow('credit is whole milli-credits')
})

const milli = fc.integer({ min: 1, max: 1_000_000 })
const small = fc.integer({ min: 1, max: 4 })
const operation = fc.oneof(
  fc.record({ type: fc.constant('starter' as const), user: small, milli }),
  fc.record({ type: fc.constant('reserve' as const), user: small, campaign: small, milli }),
  fc.record({ type: fc.constant('refund' as const), user: small, campaign: small }),
  fc.record({
    type: fc.constant('grant' as const),
    ...{ campaign: small, result: fc.integer({ min: 1, max: 30 }), user: small, milli },
  }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** The transfers of an operation as the jobs make them: nothing is reserved or refunded that is not there. */
function transfersOf(op: Operation, balances: ReadonlyMap<AccountName, number>): Transfer[] {
  switch (op.type) {
    case 'starter':
      return [starter({ userId: userId(op.user), amountMilli: op.milli })]
    case 'reserve': {
      const ids = { campaignId: campaignId(op.campaign), userId: userId(op.user) }
      const enough = (balances.get(userAccount(ids.userId)) ?? 0) >= op.milli
      return enough ? [reserve({ ...ids, amountMilli: op.milli })] : []
    }
    case 'refund': {
      const ids = { campaignId: campaignId(op.campaign), userId: userId(op.user) }
      const rest = balances.get(escrowAccount(ids.campaignId)) ?? 0
      return rest > 0 ? [refund({ ...ids, amountMilli: rest })] : []
    }
    case 'grant': {
      const about = { resultId: resultId(op.result), decision: 0, campaignId: campaignId(op.campaign) }
      return payGrants([{ ...about, payee: userAccount(userId(op.user)), amountMilli: op.milli }], balances)
    }
  }
}

test('any sequence of transfers, retries included, sums to zero and leaves no account but mint below zero', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), operations => {
      const balances = new Map<AccountName, number>()
      const posted = new Set<string>()
      for (const op of operations) {
        // As the store does: what has a known key is not posted again, and its companions were posted with it.
        const transfers = transfersOf(op, balances)
        if (transfers.some(t => posted.has(t.key))) continue
        for (const t of transfers) posted.add(t.key)
        for (const [name, change] of netChanges(transfers))
          balances.set(name, (balances.get(name) ?? 0) + change)
        expect([...balances.values()].reduce((sum, value) => sum + value, 0)).toBe(0)
        expect([...balances].filter(([name, value]) => name !== 'mint' && value < 0)).toEqual([])
      }
    }),
    { numRuns: 10_000 },
  )
})
