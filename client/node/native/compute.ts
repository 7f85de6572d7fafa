import { totalmem } from 'node:os'
import { openTurns } from '#client/onnx/turns.ts'
import type { EngineClass, EngineRates } from '#protocol/engine.ts'
import type { Compute } from '#runtime/volunteer.ts'
import type { FoundEngines } from './offers.ts'
import { runInChild } from './run-child.ts'
import type { Provider } from './runtime.ts'

/** What a volunteer hears of its native runs, besides what it hears of every run. */
export type NativeNews =
  | { readonly ev: 'native.restart'; readonly result: string; readonly because: string }
  | {
      readonly ev: 'native.missed'
      readonly result: string
      readonly estimateBytes: number
      readonly because: string
    }

/** The classes that a machine offers, the fastest native one first, and what it measured. */
export function machineOffer({ wasm, offers }: FoundEngines): {
  engineClasses: EngineClass[]
  engineRates?: EngineRates
} {
  const ranked = offers.toSorted((a, b) => b.flopsPerSecond - a.flopsPerSecond)
  const engineClasses = [...ranked.map(({ engineClass }) => engineClass), ...(wasm ? ['wasm' as const] : [])]
  if (ranked.length === 0) return { engineClasses }
  const rates = ranked.map(({ engineClass, flopsPerSecond }) => [engineClass, flopsPerSecond] as const)
  return { engineClasses, engineRates: Object.fromEntries(rates) }
}

// The other half is for the machine's owner; a run that takes more is ended before the system ends something else.
const MEMORY_SHARE = 0.5

const CORES: ReadonlySet<Provider> = new Set(['cpu', 'wasm'])

/** Computes native leases in processes of their own, one at a time on a GPU, and gives all others to `byKernel`. */
export function nativeCompute(
  byKernel: Compute,
  { offers }: FoundEngines,
  tell: (news: NativeNews) => void,
): Compute {
  const inTurn = openTurns()

  return async (run, control, signal) => {
    const { engineClass, resultId: result, flops } = run.lease
    if (engineClass === 'wasm') return byKernel(run, control, signal)
    const offer = offers.find(known => known.engineClass === engineClass)
    if (offer === undefined || flops === undefined)
      return { type: 'error', code: 'engine_failed', detail: `${engineClass} is not offered here`, cpuMs: 0 }
    const { runKey, job, fuelMax, data, checkpoint } = run.task
    const { release, moduleSha256 } = run.kernel
    const order = {
      ...{ provider: offer.provider, engineClass, runKey, job, fuelMax, flops, data, checkpoint },
      ...{ release, moduleSha256, memoryBytesMax: Math.floor(totalmem() * MEMORY_SHARE) },
    }
    const onRestart = (because: string): void => tell({ ev: 'native.restart', result, because })
    const work = () => runInChild(order, control, { signal, onRestart })
    // A GPU is not shared: two runs would take each other's memory. A core is the agent's to give.
    const outcome = await (CORES.has(offer.provider) ? work() : inTurn(work))
    const { missed } = outcome
    if (missed !== undefined) tell({ ev: 'native.missed', result, ...missed })
    return outcome
  }
}
