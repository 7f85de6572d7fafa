import { openTurns } from '#client/onnx/turns.ts'
import type { EngineClass, EngineRates } from '#protocol/engine.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { openPool } from '../volunteer/pool.ts'
import { filesOf, type WebClass } from './library.ts'
import type { WebOutcome, WebRun } from './native-worker.ts'

/** The native engine of a tab. Nothing of ONNX Runtime is fetched before its first lease comes. */
export interface WebNative {
  /** What is offered beside the kernel itself; a class that failed its self-test is not any more. */
  classes(): readonly EngineClass[]
  /** Of those that were tested. */
  rates(): EngineRates
  compute: Compute
  close(): void
}

const MIB = 1024 ** 2
// A module has 4 GiB of addresses, and shares them with its allocator's holes.
const WASM_BYTES_MAX = 2 * 1024 * MIB

/** WebGPU where the browser shows a device, else ONNX Runtime's own WebAssembly; none where the server has no such files. */
export async function openNative(memoryMiB: number): Promise<WebNative> {
  const engineClass: WebClass = (await hasDevice()) ? 'onnx-webgpu' : 'onnx-wasm'
  const isThere = await fetch(filesOf(engineClass).library, { method: 'HEAD' }).then(
    ({ ok }) => ok,
    () => false,
  )
  const offered = new Set<EngineClass>(isThere ? [engineClass] : [])
  const rates: EngineRates = {}
  const pool = openPool<WebRun, WebOutcome>(
    () => new Worker(new URL('./native-worker.ts', import.meta.url), { type: 'module' }),
  )
  const inTurn = openTurns()
  const memoryBytesMax = Math.min(WASM_BYTES_MAX, memoryMiB * MIB)
  return {
    classes: () => [...offered],
    rates: () => rates,
    close: pool.close,
    compute: async ({ lease, task, kernel }, control, signal) => {
      const { flops } = lease
      if (lease.engineClass !== engineClass || flops === undefined)
        return {
          type: 'error',
          code: 'engine_failed',
          detail: `${lease.engineClass} is not offered here`,
          cpuMs: 0,
        }
      const run: WebRun = { ...task, engineClass, flops, manifest: kernel.manifest, memoryBytesMax }
      const work = () => pool.run(run, control, signal)
      const outcome = await (engineClass === 'onnx-webgpu' ? inTurn(work) : work())
      if (outcome.type === 'error' && outcome.code === 'engine_failed') offered.delete(engineClass)
      if ('flopsPerSecond' in outcome && outcome.flopsPerSecond !== undefined)
        rates[engineClass] = outcome.flopsPerSecond
      return outcome
    },
  }
}

/** Whether the browser has WebGPU, and a device for it. */
async function hasDevice(): Promise<boolean> {
  if (!('gpu' in navigator)) return false
  const { gpu } = navigator
  if (typeof gpu !== 'object' || gpu === null || !('requestAdapter' in gpu)) return false
  if (typeof gpu.requestAdapter !== 'function') return false
  const adapter: unknown = await Promise.resolve(gpu.requestAdapter()).catch(() => null)
  return adapter !== null && adapter !== undefined
}
