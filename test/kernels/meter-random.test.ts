import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareRuns } from '#support/metered.ts'
import { randomModule } from '#support/wasm-random.ts'

const CASES = 10_000

test('fuel and behaviour of 10,000 random modules equal the interpreter, with every outcome among them', () => {
  const tally = { returned: 0, trapped: 0, limit: 0 }
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 10, maxLength: 160 }), tape => {
      const { oracle, differences } = compareRuns(randomModule(tape), {
        name: 'f',
        args: [],
        fuelMax: 1_500,
        mayGrow: true,
      })
      tally[oracle.outcome] += 1
      expect(differences).toEqual([])
    }),
    { numRuns: CASES },
  )
  // A generator that ends every run early would prove nothing.
  expect(tally.returned).toBeGreaterThan(CASES / 4)
  expect(tally.trapped).toBeGreaterThan(CASES / 100)
  expect(tally.limit).toBeGreaterThan(CASES / 100)
})
