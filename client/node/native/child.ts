// The process in which ONNX Runtime computes: it aborts whatever process it is in when it is ended in the middle of a call, and a
// broken driver may do worse. One order, one answer, then it ends; it ends with its parent as well.

import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { probe } from '#client/onnx/probe.ts'
import { runNatively } from '#client/onnx/run.ts'
import { readRelease } from '#runtime/release.ts'
import type { Order, RunControl } from '#runtime/run.ts'
import type { FromThread } from '#runtime/thread.ts'
import { type FromChild, type NativeOrder, type ProbeAnswer, ToChild } from './messages.ts'
import { loadRuntime, type Provider } from './runtime.ts'

const PULSE = join(import.meta.dirname, 'pulse-thread.ts')
const nowMs = (): number => performance.now()

process.once('disconnect', () => process.kill(process.pid, 'SIGKILL')) // at once, also in the middle of a call
process.once('message', (said: unknown) => {
  new Worker(PULSE, { env: {} })
  answer(ToChild.parse(said)).then(
    reply => process.send?.(reply, () => process.exit(0)),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
})

async function answer(said: ToChild): Promise<FromChild> {
  if (said.type === 'probe') return { type: 'probed', answer: await probeOf(said.provider) }
  if (said.type === 'run') return { type: 'outcome', outcome: await compute(said.order) }
  throw new Error('an order before there is a run')
}

async function probeOf(provider: Provider): Promise<ProbeAnswer> {
  const runtime = await loadRuntime(provider)
  if (runtime === undefined) return { ok: false, reason: MISSING }
  return probe(runtime, nowMs)
}

const MISSING = 'onnxruntime-node is not installed'

async function compute(order: NativeOrder) {
  tell({ type: 'started' })
  const runtime = await loadRuntime(order.provider)
  const failed = (detail: string) => ({ type: 'error', code: 'engine_failed', detail, cpuMs: 0 }) as const
  if (runtime === undefined) return failed(MISSING)
  const content = await readRelease(order.release, order.moduleSha256)
  if (!content.ok) return failed(content.reason)
  const module = await WebAssembly.compile(new Uint8Array(content.module))
  const control: RunControl = {
    gate: slice => ask({ type: 'slice', slice }),
    save: async checkpoint => {
      await ask({ type: 'save', checkpoint })
    },
    nowMs,
  }
  const run = { ...order, module, manifest: content.manifest }
  return runNatively(run, runtime, control, bytes => tell({ type: 'estimated', bytes }))
}

async function ask(message: FromThread): Promise<Order> {
  const answered = once(process, 'message')
  tell(message)
  const said = ToChild.parse((await answered)[0])
  if (said.type !== 'order') throw new Error(`${said.type} in the middle of a run`)
  return said.order
}

function tell(message: FromChild): void {
  process.send?.(message)
}
