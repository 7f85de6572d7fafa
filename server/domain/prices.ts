import type { Price, Quote } from '#protocol/credits.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import type { MilliCredit } from '#protocol/units.ts'
import { invariant } from './invariant.ts'
import type { UnitsPlanned } from './rungs.ts'
import type { Policy } from './types.ts'

/**
 * What a core-hour earns is the same in every class: price per FLOP = price of a FLOP in `wasm` × speed of `wasm` / speed of the
 * class. `charlm` does 1.15 GFLOP with a Gfuel (ops/LOG.md, the first loop), so that a GFLOP in `wasm` is worth 10 / 1.15 = 8.7, and
 * on one thread ONNX Runtime does 2.2 times as many a second as the kernel (`npm run bench -- onnx`, widths 256 and 512): 4.0. All
 * native classes have one price, because nobody can see from outside on what a run was computed: a GPU earns more by doing more,
 * and nobody by calling his processor a GPU (ops/decisions/0035).
 */
const MILLI_PER_GFLOP = { wasm: 9, native: 4 } as const

/** Milli-credits for a GFLOP of a run whose budget counts FLOPs. */
export const priceOfGflop = (engineClass: EngineClass): MilliCredit =>
  engineClass === 'wasm' ? MILLI_PER_GFLOP.wasm : MILLI_PER_GFLOP.native

/** Of charlm: what a budget in FLOPs takes of the kernel's instructions. */
const FLOPS_PER_FUEL = 1.15

const native: Price = { milli: 1_000 * MILLI_PER_GFLOP.native, per: 'TFLOP' }

/** The price list: what one unit of work of each engine class is worth, the same whether the host is fast or slow. */
export const PRICES: Readonly<Record<EngineClass, Price>> = {
  wasm: { milli: 10, per: 'Gfuel' },
  'onnx-wasm': native,
  'onnx-cpu': native,
  'onnx-webgpu': native,
  'onnx-cuda': native,
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

/** What one valid result earns: its work, in instructions or FLOPs, at the price of 10^9, never more than was planned for it. */
export function earned(run: { fuelUsed: number; fuelMax: number; priceMilliPerGfuel: number }): MilliCredit {
  return priceOf(Math.min(run.fuelUsed, run.fuelMax), { milli: run.priceMilliPerGfuel, per: 'Gfuel' })
}

export interface Plan {
  /** Where its budget counts FLOPs: the classes that its units may be of. Null: it counts fuel, and the kernel computes it. */
  readonly byFlops: readonly EngineClass[] | null
  readonly units: readonly UnitsPlanned[]
  readonly quorum: number
  readonly policy: Policy
}

/** How many results of a unit may have to be paid: a stranger's alone is always checked, be it by a second one. */
const replicasOf = ({ quorum, policy }: Pick<Plan, 'quorum' | 'policy'>): number =>
  policy === 'adaptive' ? Math.max(quorum, 2) : quorum

/**
 * What a campaign costs at most: every result of every quorum at its full fuel, and the checking share rounded up to a
 * milli-credit. What checks did not use, second replicas that trusted hosts made needless, and rungs that runs did not come to
 * come back; `likelyMilli` is what it comes to if as many are stopped as usual.
 */
export function quote({ units, byFlops, ...plan }: Plan): Omit<Quote, 'experiments'> {
  const dearest = byFlops === null ? null : Math.max(...byFlops.map(priceOfGflop))
  const price = { milli: dearest ?? PRICES.wasm.milli, per: 'Gfuel' } as const // by 10^9 of either
  const replicas = replicasOf(plan)
  const sumOf = (of: (each: UnitsPlanned) => number) => units.reduce((sum, each) => sum + of(each), 0)
  const fuelWhole = Math.max(0, ...units.map(each => each.fuelMax))
  const planned = replicas * sumOf(each => each.workUnits * each.fuelMax)
  const likely = sumOf(each => each.likelyRuns) * replicas * priceOf(fuelWhole, price)
  return {
    workUnits: sumOf(each => each.workUnits),
    fuelPlanned: Math.round(planned / (dearest === null ? 1 : FLOPS_PER_FUEL)),
    ...(dearest === null ? {} : { flopsPlanned: planned, priceMilliPerGflop: dearest }),
    priceMilliPerGfuel: PRICES.wasm.milli,
    checkingShare: CHECKING_SHARE,
    reserveMilli: checked(sumOf(each => each.workUnits * replicas * priceOf(each.fuelMax, price))),
    likelyMilli: checked(Math.ceil(likely)),
  }
}

/** With the checking share. No budget is as large as what is not counted exactly any more: it is refused either way. */
const checked = (milli: MilliCredit): MilliCredit =>
  Math.min(Number.MAX_SAFE_INTEGER, milli + Math.ceil(milli / Math.round(1 / CHECKING_SHARE)))
