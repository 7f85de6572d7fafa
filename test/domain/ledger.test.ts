import { describe, expect, test } from 'vitest'
import {
  type AccountName,
  claim,
  correction,
  lapse,
  payeeAccount,
  refund,
  refundable,
  STARTER_MILLI,
  starter,
  starterLimit,
} from '#domain/ledger.ts'
import { earned, PRICES, priceOf, priceOfGflop, quote } from '#domain/prices.ts'
import { wholeRuns } from '#domain/rungs.ts'
import { NativeClass } from '#protocol/engine.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import { UserId } from '#protocol/units.ts'
import { campaignId, hostId } from '#support/work-units.ts'

const userId = (n: number): UserId => UserId.parse(`u_${String(n).padStart(26, '0')}`)

test.each([
  [0, 0],
  [1, 1],
  [100_000_000, 1],
  [100_000_001, 2],
  [1_000_000_000, 10],
  [FUEL_MAX, 90_000_000],
])('%i instructions at 10 milli-credits a Gfuel cost %i', (fuel, milli) => {
  expect(priceOf(fuel, PRICES.wasm)).toBe(milli)
})

test('a TFLOP costs the same in every native class: nobody earns more by naming another one', () => {
  for (const engineClass of NativeClass.options) {
    expect(PRICES[engineClass]).toEqual(PRICES['onnx-cpu'])
    expect(priceOf(3e12, PRICES[engineClass])).toBe(3_000 * priceOfGflop(engineClass))
  }
})

test('a core-hour earns about the same in wasm and native', () => {
  const perGfuel = 1.15 // GFLOP, of charlm
  expect(Math.abs(priceOfGflop('wasm') / (PRICES.wasm.milli / perGfuel) - 1)).toBeLessThan(0.05)
  const speedUp = 2.2 // of ONNX Runtime over the kernel
  expect(Math.abs((priceOfGflop('onnx-cpu') * speedUp) / priceOfGflop('wasm') - 1)).toBeLessThan(0.05)
})

test('where a budget counts FLOPs, a quote reserves the dearest class that the campaign allows', () => {
  const units = wholeRuns(3, 2e12)
  const plan = { units, quorum: 2, policy: 'fixed' } as const
  const dear = quote({ ...plan, byFlops: ['onnx-cpu', 'wasm'] })
  const cheap = quote({ ...plan, byFlops: ['onnx-cpu', 'onnx-cuda'] })
  expect(cheap).toMatchObject({ flopsPlanned: 12e12, priceMilliPerGflop: 4, reserveMilli: 52_800 })
  expect(dear).toMatchObject({ flopsPlanned: 12e12, priceMilliPerGflop: 9, reserveMilli: 118_800 })
})

const wasm = { byFlops: null, policy: 'fixed' } as const

test('a quote is every result at its full fuel and a tenth more, rounded up', () => {
  expect(quote({ ...wasm, units: wholeRuns(24, 2_000_000_000), quorum: 2 })).toEqual({
    workUnits: 24,
    fuelPlanned: 96_000_000_000,
    priceMilliPerGfuel: 10,
    checkingShare: 0.1,
    reserveMilli: 960 + 96,
    likelyMilli: 960 + 96,
  })
  expect(quote({ ...wasm, units: wholeRuns(1, 1e9), quorum: 1 }).reserveMilli).toBe(11)
  expect(quote({ ...wasm, units: wholeRuns(3, 1e8), quorum: 1 }).reserveMilli).toBe(4)
})

test.each([
  ['fixed', 1, 11],
  ['fixed', 3, 33],
  ['adaptive', 1, 22], // a stranger's result is checked, perhaps by a second one
  ['adaptive', 2, 22],
  ['adaptive', 3, 33],
] as const)('%s replication at quorum %i reserves for its worst case: %i', (policy, quorum, milli) => {
  expect(quote({ ...wasm, policy, units: wholeRuns(1, 1e9), quorum }).reserveMilli).toBe(milli)
})

test('the largest campaign has an exact quote', () => {
  const { reserveMilli } = quote({ ...wasm, units: wholeRuns(100_000 * 64, FUEL_MAX), quorum: 8 })
  expect(reserveMilli).toBe(5_068_800_000_000_000)
})

test('nobody earns more than was planned for a run, and a longer budget earns in proportion', () => {
  expect(earned({ fuelUsed: 5e9, fuelMax: 2e9, priceMilliPerGfuel: 10 })).toBe(20)
  expect(earned({ fuelUsed: 1e9, fuelMax: 2e9, priceMilliPerGfuel: 10 })).toBe(10)
  expect(earned({ fuelUsed: 50e9, fuelMax: 50e9, priceMilliPerGfuel: 10 })).toBe(500)
})

test('a host without a user earns for itself', () => {
  expect(payeeAccount({ id: hostId(1), userId: null })).toBe(`host:${hostId(1)}`)
  expect(payeeAccount({ id: hostId(1), userId: userId(2) })).toBe(`user:${userId(2)}`)
})

test.each([
  ['the first of the day', { givenMilli: 0, ofPrefix: 0 }, 'allowed'],
  ['the third of a prefix', { givenMilli: 2 * STARTER_MILLI, ofPrefix: 2 }, 'allowed'],
  ['the fourth of a prefix', { givenMilli: 3 * STARTER_MILLI, ofPrefix: 3 }, 'prefix_limit'],
  ['the last one of the day', { givenMilli: 999 * STARTER_MILLI, ofPrefix: 0 }, 'allowed'],
  ['one too many', { givenMilli: 999 * STARTER_MILLI + 1, ofPrefix: 0 }, 'daily_limit'],
] as const)('%s', (_, today, outcome) => {
  expect(starterLimit({ ...today, amountMilli: STARTER_MILLI })).toBe(outcome)
})

describe('a starter of 100 after ninety days', () => {
  test.each([
    ['nothing was spent', { spentMilli: 0, lapsedMilli: 0, balanceMilli: 100 }, 100],
    ['thirty were spent, none earned', { spentMilli: 30, lapsedMilli: 0, balanceMilli: 70 }, 70],
    ['thirty were spent, fifty earned', { spentMilli: 30, lapsedMilli: 0, balanceMilli: 120 }, 70],
    ['all was spent', { spentMilli: 100, lapsedMilli: 0, balanceMilli: 0 }, 0],
    ['more was spent than it', { spentMilli: 400, lapsedMilli: 0, balanceMilli: 50 }, 0],
    ['most came back after it had lapsed', { spentMilli: 10, lapsedMilli: 60, balanceMilli: 500 }, 30],
    ['it lapsed before', { spentMilli: 40, lapsedMilli: 60, balanceMilli: 500 }, 0],
    ['somebody took the balance', { spentMilli: 0, lapsedMilli: 0, balanceMilli: 5 }, 5],
  ])('%s', (_, use, milli) => {
    const transfers = lapse({ userId: userId(1), starterMilli: 100, ...use })
    expect(transfers.map(t => [t.kind, t.debit, t.credit, t.amountMilli])).toEqual(
      milli === 0 ? [] : [['lapse', `user:${userId(1)}`, 'mint', milli]],
    )
  })
})

test('a claim moves what the host has and what is held for it, once', () => {
  const balances = new Map<AccountName, number>([
    [`host:${hostId(1)}`, 7],
    [`held:host:${hostId(1)}`, 5],
  ])
  const transfers = claim({ hostId: hostId(1), userId: userId(2) }, balances)
  expect(transfers.map(t => `${t.key} ${t.debit} → ${t.credit} ${t.amountMilli}`)).toEqual([
    `claim:${hostId(1)} host:${hostId(1)} → user:${userId(2)} 7`,
    `claim:${hostId(1)}:held held:host:${hostId(1)} → held:user:${userId(2)} 5`,
  ])
  expect(claim({ hostId: hostId(1), userId: userId(2) }, new Map())).toEqual([])
})

test('a correction gives or takes, and always says why', () => {
  const facts = { id: 'x', account: `user:${userId(1)}`, reason: 'a lost payment' } as const
  expect(correction({ ...facts, amountMilli: 5 })).toMatchObject({ debit: 'mint', amountMilli: 5 })
  expect(correction({ ...facts, amountMilli: -5 })).toMatchObject({ credit: 'mint', amountMilli: 5 })
  expect(() => correction({ ...facts, amountMilli: 5, reason: '' })).toThrow('a correction has a reason')
})

test('each refund of a campaign has a key of its own', () => {
  const money = { campaignId: campaignId(1), userId: userId(1), amountMilli: 5 }
  const keys = [0, 5, 10].map(refundedMilli => refund({ ...money, refundedMilli }).key)
  expect(new Set(keys).size).toBe(3)
})

test.each([
  ['what is left', 30, 100, 0, 30],
  ['what came back later', 30, 100, 70, 30],
  ['never more than was set aside', 150, 100, 0, 100],
  ['nor over several refunds', 50, 100, 80, 20],
  ['nothing of what the mint added', 50, 100, 100, 0],
])('an escrow gives back %s', (_, balanceMilli, reservedMilli, refundedMilli, amount) => {
  expect(refundable({ balanceMilli, reservedMilli, refundedMilli })).toBe(amount)
})

test('a transfer of nothing, or of a part of a milli-credit, is a bug', () => {
  expect(() => starter({ userId: userId(1), amountMilli: 0 })).toThrow('a transfer moves credit')
  expect(() => starter({ userId: userId(1), amountMilli: 0.5 })).toThrow('credit is whole milli-credits')
})
