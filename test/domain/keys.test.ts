import fc from 'fast-check'
import { expect, test } from 'vitest'
import { grantableScopes, returnedTo } from '#domain/keys.ts'
import { TokenId } from '#protocol/units.ts'

const [A, B] = ['a', 'b'].map(c => TokenId.parse(`t_${c.repeat(26)}`)) as [TokenId, TokenId]

test.each([
  [['enrol'], []],
  [['verify'], []],
  [['kernel'], ['read', 'kernel']],
  [['campaign'], ['read', 'propose', 'campaign']],
  [
    ['enrol', 'campaign'],
    ['read', 'propose', 'campaign', 'enrol'],
  ],
  [['admin'], ['read', 'propose', 'campaign', 'kernel', 'enrol']],
])('a token of scope %s gives keys of scope %s', (held, given) => {
  expect(grantableScopes(held)).toEqual(given)
})

const CHARGES = [
  { tokenId: A, amountMilli: 100 },
  { tokenId: null, amountMilli: 50 },
  { tokenId: B, amountMilli: 30 },
]
test.each([
  [0, 20, { b: 20 }],
  [0, 60, { b: 30 }],
  [20, 60, { b: 10 }],
  [80, 10, { a: 10 }],
  [0, 180, { a: 100, b: 30 }],
])('after %i came back, %i more go to the budgets %o', (refundedMilli, amountMilli, expected) => {
  const returned = returnedTo(CHARGES, { refundedMilli, amountMilli })
  expect(Object.fromEntries([...returned].map(([id, milli]) => [id.charAt(2), milli]))).toEqual(expected)
})

const charge = fc.record({
  tokenId: fc.constantFrom(A, B, null),
  amountMilli: fc.integer({ min: 1, max: 1000 }),
})
test('whatever the refunds, a key gets back what it was charged when all is refunded, and never more', () => {
  fc.assert(
    fc.property(fc.array(charge, { maxLength: 6 }), fc.array(fc.nat(1500)), (charges, refunds) => {
      const total = charges.reduce((sum, { amountMilli }) => sum + amountMilli, 0)
      const back = new Map<TokenId, number>()
      let refundedMilli = 0
      for (const wanted of [...refunds, total]) {
        const amountMilli = Math.min(wanted, total - refundedMilli)
        for (const [id, milli] of returnedTo(charges, { refundedMilli, amountMilli }))
          back.set(id, (back.get(id) ?? 0) + milli)
        refundedMilli += amountMilli
        for (const [id, milli] of back) expect(milli).toBeLessThanOrEqual(chargedTo(id))
      }
      for (const id of [A, B]) expect(back.get(id) ?? 0).toBe(chargedTo(id))

      function chargedTo(id: TokenId): number {
        return charges.reduce((sum, c) => sum + (c.tokenId === id ? c.amountMilli : 0), 0)
      }
    }),
    { numRuns: 10_000 },
  )
})
