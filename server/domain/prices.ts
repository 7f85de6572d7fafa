import type { Price, Quote } from '#protocol/credits.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import type { MilliCredit } from '#protocol/units.ts'
import { invariant } from './invariant.ts'
import type { UnitsPlanned } from './rungs.ts'
import type { Policy } from './types.ts'

/**
 * The price list: what one unit of work of each engine class is worth, the same whether the host is fast or slow.
 * `charlm` does 1.15 GFLOP with a Gfuel (ops/LOG.md, the first loop), so that a TFLOP in `wasm` earns some 8,700
 * milli-credits. Native code does three to four times as many a second on the same core: at 2,500 `onnx-cpu` pays a
 * core-hour alike. GPU classes pay more a TFLOP, for hardware that fewer people have and that draws more power.
 */
export const PRICES: Readonly<Record<EngineClass, Price>> = {
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
  readonly units: readonly UnitsPlanned[]
  readonly quorum: number
  readonly policy: Policy
}

/** How many results of a unit may have to be paid: a stranger's alone is always checked, be it by a second one. */
const replicasOf = ({ quorum, policy }: Omit<Plan, 'units'>): number =>
  policy === 'adaptive' ? Math.max(quorum, 2) : quorum

/**
 * What a campaign costs at most: every result of every quorum at its full fuel, and the checking share rounded up to a
 * milli-credit. What checks did not use, second replicas that trusted hosts made needless, and rungs that runs did not come to
 * come back; `likelyMilli` is what it comes to if as many are stopped as usual.
 */
export function quote({ units, ...plan }: Plan): Omit<Quote, 'experiments'> {
  const price = PRICES[plan.engineClass]
  const replicas = replicasOf(plan)
  const sumOf = (of: (each: UnitsPlanned) => number) => units.reduce((sum, each) => sum + of(each), 0)
  const fuelWhole = Math.max(0, ...units.map(each => each.fuelMax))
  const likely = sumOf(each => each.likelyRuns) * replicas * priceOf(fuelWhole, price)
  return {
    workUnits: sumOf(each => each.workUnits),
    fuelPlanned: replicas * sumOf(each => each.workUnits * each.fuelMax),
    priceMilliPerGfuel: price.milli,
    checkingShare: CHECKING_SHARE,
    reserveMilli: checked(sumOf(each => each.workUnits * replicas * priceOf(each.fuelMax, price))),
    likelyMilli: checked(Math.ceil(likely)),
  }
}

/** With the checking share. No budget is as large as what is not counted exactly any more: it is refused either way. */
const checked = (milli: MilliCredit): MilliCredit =>
  Math.min(Number.MAX_SAFE_INTEGER, milli + Math.ceil(milli / Math.round(1 / CHECKING_SHARE)))
