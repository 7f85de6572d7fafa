/**
 * One native run as its host sees it: the same task, control and outcome as a run of the kernel (client/runtime/run.ts). The kernel
 * itself draws the first weights and evaluates the last ones; what is between is the graph's.
 */
import type { NativeClass } from '#protocol/engine.ts'
import { Job, jobText, LAST_RUNG, rungEnd } from '#protocol/job.ts'
import { type KernelManifest, memoryBound } from '#protocol/kernel.ts'
import type { RunErrorCode } from '#protocol/report.ts'
import { type RunControl, type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { KernelFault } from '#runtime/trap.ts'
import { decodeNative, encodeNative } from './checkpoint.ts'
import { type Learner, learnerFor } from './learner.ts'
import { memoryEstimate } from './memory.ts'
import { divergedOutcome, infeasibleOutcome, okOutcome, type Reported } from './report.ts'
import { artifactBytes, type Start, startOf } from './start.ts'
import type { NativeRuntime } from './tensors.ts'
import { type NativeControl, type NativeTask, type Progress, type Trained, trainNatively } from './train.ts'

/** Everything a native run depends on, and what bounds it. */
export interface NativeRun extends Omit<RunTask, 'prefix'> {
  readonly engineClass: NativeClass
  readonly manifest: KernelManifest
  /** Closed-form training FLOPs of the whole run. */
  readonly flops: number
  /** Of the process, or the device. */
  readonly memoryBytesMax: number
}

export type NativeOutcome = RunOutcome & {
  /** There was no memory although the estimate, in bytes, said that there is: for the log. */
  readonly missed?: { readonly estimateBytes: number; readonly because: string }
}

/**
 * Runs a task to its report, from its beginning or its checkpoint. Faults of kernel and runtime are values.
 * @param onEstimate hears how many bytes it will take, before it takes them
 */
export async function runNatively(
  run: NativeRun,
  runtime: NativeRuntime,
  control: RunControl,
  onEstimate: (bytes: number) => void = () => undefined,
): Promise<NativeOutcome> {
  const started = control.nowMs()
  const failed = (code: RunErrorCode, detail: string): NativeOutcome => ({
    ...{ type: 'error', code, detail, cpuMs: Math.max(0, Math.round(control.nowMs() - started)) },
  })
  let prepared: Prepared
  try {
    prepared = await prepare(run)
  } catch (error) {
    if (error instanceof KernelFault) return failed(error.code, error.message)
    if (!(error instanceof RangeError || error instanceof WebAssembly.RuntimeError)) throw error
    return failed(isOutOfMemory(error.message) ? 'out_of_memory' : 'kernel_refused', error.message)
  }
  const { estimateBytes } = prepared
  onEstimate(estimateBytes)
  if (estimateBytes > run.memoryBytesMax)
    return failed('out_of_memory', `it takes ${mib(estimateBytes)} MiB of ${mib(run.memoryBytesMax)}`)
  try {
    return await new NativeSession(run, prepared, control).toItsEnd(runtime)
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error)
    if (!isOutOfMemory(because)) return failed('engine_failed', because.slice(0, 400))
    const { updates } = prepared.task
    const cpuMs = Math.max(0, Math.round(control.nowMs() - started))
    const outcome = await infeasibleOutcome({ ...run, updates, cpuMs })
    return { ...outcome, missed: { estimateBytes, because: because.slice(0, 400) } }
  }
}

const mib = (bytes: number): number => Math.ceil(bytes / 1024 ** 2)

/** What allocators of ONNX Runtime and its providers say when nothing is left; of JavaScript, and of WebGPU. */
const OUT_OF_MEMORY =
  /out of memory|bad_?alloc|failed to allocate|allocation fail|not enough memory|memory access out of bounds|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|E_OUTOFMEMORY|Available memory of \d+ is smaller/i

export const isOutOfMemory = (message: string): boolean => OUT_OF_MEMORY.test(message)

interface Prepared {
  readonly start: Start
  readonly learner: Learner
  readonly task: NativeTask
  readonly estimateBytes: number
  /** Time spent by earlier attempts. */
  readonly cpuMs: number
}

async function prepare(run: NativeRun): Promise<Prepared> {
  const job = Job.parse(JSON.parse(run.job))
  const { kernel, recipe, seed, limit, rungs } = job
  if (job.task !== 'train') throw new RangeError('a native run trains; the kernel evaluates')
  if (!('updates' in limit)) throw new RangeError('a native run is limited by updates')
  const { updates } = limit
  const start = await startOf({ ...run, kernel })
  const learner = learnerFor(kernel, {
    recipe,
    preface: start.preface,
    train: run.data[0] ?? new Uint8Array(),
  })
  const ends = rungs === undefined ? [updates] : endsOf(updates, rungs.until)
  const kept = run.checkpoint && (await decodeNative(run.checkpoint, run))
  const task = { learner, recipe, seed, updates, ends, initial: start.parameters, resumed: kept?.progress }
  const kernelBytes = memoryBound(run.manifest, recipe)
  const estimateBytes = memoryEstimate({ model: learner.model, recipe, kernelBytes })
  return { start, learner, task, estimateBytes, cpuMs: kept?.cpuMs ?? 0 }
}

const endsOf = (updates: number, until: number): readonly number[] =>
  Array.from({ length: Math.min(until, LAST_RUNG) + 1 }, (_, rung) => rungEnd(updates, rung))

class NativeSession {
  readonly #run: NativeRun
  readonly #prepared: Prepared
  readonly #control: RunControl
  #cpuMs: number
  #evaluation: Extract<RunOutcome, { type: 'report' }> | undefined
  #fault: RunOutcome | undefined

  constructor(run: NativeRun, prepared: Prepared, control: RunControl) {
    this.#run = run
    this.#prepared = prepared
    this.#control = control
    this.#cpuMs = prepared.cpuMs
  }

  async toItsEnd(runtime: NativeRuntime): Promise<RunOutcome> {
    const control: NativeControl = {
      between: ({ update, busyMs, loss, capture }) => {
        this.#cpuMs += busyMs
        return this.#gate({ update, busyMs, loss }, capture)
      },
      evaluate: (parameters, at) => this.#evaluate(parameters, at),
      nowMs: this.#control.nowMs,
    }
    const trained = await trainNatively(this.#prepared.task, runtime, control)
    if (this.#fault !== undefined) return this.#fault
    return this.#ended(trained)
  }

  /** Tells the host how far it is; saves where it says so. */
  async #gate(
    { update, busyMs, loss }: { update: number; busyMs: number; loss?: number },
    capture: () => Progress,
  ): Promise<'go' | 'stop'> {
    const { ends } = this.#prepared.task
    const fraction = Math.min(1, update / (ends.at(-1) ?? 1))
    const output = { status: 'running' as const, curve: [], counters: { updates: update }, train: loss }
    const slice = { fraction, step: update, busyMs, ...(loss === undefined ? {} : { output }) }
    const order = await this.#control.gate(slice)
    if (order === 'checkpoint') await this.#control.save(await this.#checkpoint(capture()))
    return order === 'stop' ? 'stop' : 'go'
  }

  #checkpoint(progress: Progress): Promise<Uint8Array> {
    const { runKey, engineClass } = this.#run
    return encodeNative({ runKey, engineClass, progress, cpuMs: this.#cpuMs })
  }

  /** The kernel's own evaluation of these weights. What is saved meanwhile is where the training is. */
  async #evaluate(parameters: Float32Array, at: Progress): Promise<number | 'diverged' | 'stopped'> {
    const { rungs: _, ...job } = Job.parse(JSON.parse(this.#run.job))
    const data = [...this.#run.data, this.#artifactOf(parameters)]
    const outcome = await runJob(
      { ...this.#run, job: jobText({ ...job, task: 'evaluate' }), data, checkpoint: undefined },
      {
        gate: ({ busyMs }) => this.#gate({ update: at.update, busyMs }, () => at),
        save: async () => undefined,
        nowMs: this.#control.nowMs,
      },
    )
    this.#cpuMs += outcome.cpuMs
    if (outcome.type === 'stopped') return 'stopped'
    if (outcome.type === 'error') {
      this.#fault = outcome
      return 'stopped'
    }
    this.#evaluation = outcome
    return outcome.report.metric?.value ?? 'diverged'
  }

  #artifactOf(parameters: Float32Array): Uint8Array {
    return artifactBytes(this.#prepared.start.preface, parameters)
  }

  async #ended({ status, progress, parameters }: Trained): Promise<RunOutcome> {
    const cpuMs = Math.round(this.#cpuMs)
    if (status === 'stopped') return { type: 'stopped', checkpoint: await this.#checkpoint(progress), cpuMs }
    const { task, learner } = this.#prepared
    const { name, perUpdate } = learner.items
    const ended = {
      ...reportedOf(this.#run, task.updates, cpuMs),
      ...{ progress, seed: task.seed },
      counters: { ...this.#evaluation?.report.counters, [name]: progress.update * perUpdate },
    }
    const metric = this.#evaluation?.report.metric
    if (status === 'diverged' || !metric) return divergedOutcome(ended)
    return okOutcome(ended, metric, this.#artifactOf(parameters))
  }
}

const reportedOf = ({ engineClass, flops }: NativeRun, updates: number, cpuMs: number): Reported => ({
  ...{ engineClass, flops, updates, cpuMs },
})
