// A thread that computes one native run at a time; it fetches ONNX Runtime with its first one.

import { type Probed, probe } from '#client/onnx/probe.ts'
import { type NativeOutcome, type NativeRun, runNatively } from '#client/onnx/run.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { type Ask, serveRuns } from '../volunteer/serve-runs.ts'
import { loadLibrary, type WebClass } from './library.ts'

export interface WebRun extends NativeRun {
  readonly engineClass: WebClass
}

/** What a run came to, and what this engine is worth. */
export type WebOutcome = NativeOutcome & { readonly flopsPerSecond?: number }

interface Tested {
  readonly runtime: NativeRuntime
  readonly probed: Probed
}

const nowMs = (): number => performance.now()
const engines = new Map<WebClass, Promise<Tested>>()

serveRuns(async (run: WebRun, ask: Ask): Promise<WebOutcome> => {
  let tested: Tested
  try {
    tested = await engineOf(run.engineClass)
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error))
  }
  const { runtime, probed } = tested
  if (!probed.ok) return failed(probed.reason)
  const outcome = await runNatively(run, runtime, {
    gate: slice => ask({ type: 'slice', slice }),
    save: async checkpoint => {
      await ask({ type: 'save', checkpoint })
    },
    nowMs,
  })
  return { ...outcome, flopsPerSecond: probed.flopsPerSecond }
})

function engineOf(engineClass: WebClass): Promise<Tested> {
  const known = engines.get(engineClass)
  if (known !== undefined) return known
  const tested = loadLibrary(engineClass).then(async runtime => ({
    runtime,
    probed: await probe(runtime, nowMs),
  }))
  engines.set(engineClass, tested)
  tested.catch(() => engines.delete(engineClass)) // a download that failed may succeed later
  return tested
}

const failed = (detail: string): WebOutcome => ({
  ...{ type: 'error', code: 'engine_failed', detail: detail.slice(0, 400), cpuMs: 0 },
})
