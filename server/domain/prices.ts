import type { Price, PriceClass, Quote } from '#protocol/credits.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import type { MilliCredit } from '#protocol/units.ts'
import { invariant } from './invariant.ts'
import type { Policy } from './types.ts'

/**
 * The price list: what one unit of work of each engine class is worth, the same whether the host is fast or slow.
 * `charlm` does 1.15 GFLOP with a Gfuel (ops/LOG.md, the first loop), so that a TFLOP in `wasm` earns some 8,700
 * milli-credits. Native code does three to four times as many a second on the same core: at 2,500 `onnx-cpu` pays a
 * core-hour alike. GPU classes pay more a TFLOP, for hardware that fewer people have and that draws more power.
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
export const CHECKING_SHARE = 0.1

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
  readonly policy: Policy
}

/** How many results of a unit may have to be paid: a stranger's alone is always checked, be it by a second one. */
const replicasOf = ({ quorum, policy }: Plan): number =>
  policy === 'adaptive' ? Math.max(quorum, 2) : quorum

/**
 * What a campaign costs at most: every result of every quorum at its full fuel, and the checking share rounded up to a
 * milli-credit. What checks did not use, and second replicas that trusted hosts made needless, come back.
 */
export function quote(plan: Plan): Omit<Quote, 'experiments'> {
  const { engineClass, workUnits, fuelMax } = plan
  const price = PRICES[engineClass]
  const replicas = replicasOf(plan)
  const results = workUnits * replicas * priceOf(fuelMax, price)
  const reserveMilli = results + Math.ceil(results / Math.round(1 / CHECKING_SHARE))
  invariant(Number.isSafeInteger(reserveMilli), 'a quote is an exact integer')
  return {
    workUnits,
    fuelPlanned: workUnits * replicas * fuelMax,
    priceMilliPerGfuel: price.milli,
    checkingShare: CHECKING_SHARE,
    reserveMilli,
  }
}
