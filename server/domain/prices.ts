import type { Price, PriceClass, Quote } from '#protocol/credits.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import type { MilliCredit } from '#protocol/units.ts'
import { invariant } from './invariant.ts'

/**
 * The price list: what one unit of work of each engine class is worth, the same whether the host is fast or slow. A
 * TFLOP of `wasm` (about 900 Gfuel, since an f32x4 operation is four FLOPs) comes to some 9,000 milli-credits. Native
 * code does three to four times as many a second on the same core, so that `onnx-cpu` at 2,500 pays a core-hour alike;
 * GPU classes pay more a TFLOP, for hardware that fewer people have and that draws more power.
 */
export const PRICES: Readonly<Record<PriceClass, Price>> = {
  wasm: { milli: 10, per: 'Gfuel' },
  'onnx-wasm': { milli: 10, per: 'Gfuel' },
  'onnx-cpu': { milli: 2_500, per: 'TFLOP' },
  'onnx-webgpu': { milli: 3_000, per: 'TFLOP' },
  'onnx-cuda': { milli: 3_500, per: 'TFLOP' },
}

const UNITS = { Gfuel: 1_000_000_000n, TFLOP: 1_000_000_000_000n } as const

/** What a campaign sets aside, on top of its planned results, for those beyond the quorum: late replies and disputes. */
const CHECKING_SHARE = 0.1

/**
 * What an amount of work is worth in milli-credits, rounded up: `work` counts instructions of fuel, or FLOPs. Exact for
 * every amount up to FUEL_MAX.
 */
export function priceOf(work: number, { milli, per }: Price): MilliCredit {
  invariant(Number.isSafeInteger(work) && work >= 0 && work <= FUEL_MAX, 'work is counted exactly')
  return Number((BigInt(work) * BigInt(milli) + UNITS[per] - 1n) / UNITS[per])
}

/** What one valid result earns: its fuel at the campaign's price, never more than was planned for it. */
export function earned(run: { fuelUsed: number; fuelMax: number; priceMilliPerGfuel: number }): MilliCredit {
  return priceOf(Math.min(run.fuelUsed, run.fuelMax), { milli: run.priceMilliPerGfuel, per: 'Gfuel' })
}

export interface Plan {
  readonly engineClass: 'wasm'
  readonly workUnits: number
  readonly fuelMax: number // of one run
  readonly quorum: number
}

/**
 * What a campaign costs at most: every result of every quorum at its full fuel, and the checking share rounded up to a
 * milli-credit. What checks did not use, and second replicas that trusted hosts made needless, come back.
 */
export function quote({ engineClass, workUnits, fuelMax, quorum }: Plan): Omit<Quote, 'experiments'> {
  const price = PRICES[engineClass]
  const results = workUnits * quorum * priceOf(fuelMax, price)
  const reserveMilli = results + Math.ceil(results / Math.round(1 / CHECKING_SHARE))
  invariant(Number.isSafeInteger(reserveMilli), 'a quote is an exact integer')
  return {
    workUnits,
    fuelPlanned: workUnits * quorum * fuelMax,
    priceMilliPerGfuel: price.milli,
    checkingShare: CHECKING_SHARE,
    reserveMilli,
  }
}
