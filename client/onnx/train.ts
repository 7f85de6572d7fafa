/**
 * A native training run from its beginning, or its checkpoint, to its weights: some updates at a time in one call of the
 * runtime, so that it can report, wait, be saved and be stopped between two calls. What runs the graph is given.
 */
import type { Recipe } from '#protocol/job.ts'
import { CURVE_POINTS, curveOf, type Losses } from './curve.ts'
import { Draws } from './draws.ts'
import { sizeOf } from './graph.ts'
import type { Batch, Learner } from './learner.ts'
import { modelBytes } from './model.ts'
import { numbersOf } from './schedule.ts'
import { LOSSES, NORMS, NUMBERS, type StateTensor, stateOf, trainingGraph } from './training.ts'

/** A tensor outside the runtime. */
export interface HostTensor {
  readonly type: 'float32' | 'int32' | 'int64'
  readonly data: Float32Array | Int32Array | BigInt64Array
  readonly shape: readonly number[]
}
export type Feeds = Readonly<Record<string, HostTensor>>

/** A graph that is ready to run. A call cannot be interrupted. */
export interface Session {
  run(feeds: Feeds): Promise<Feeds>
}

/** ONNX Runtime, in whatever environment. */
export interface NativeRuntime {
  open(model: Uint8Array): Promise<Session>
}

export interface NativeTask {
  readonly learner: Learner
  readonly recipe: Recipe
  readonly seed: number
  readonly updates: number
  /** The parameters as the artifact has them, before the first update. */
  readonly initial: Float32Array
  /** Of an earlier attempt. */
  readonly resumed?: Progress | undefined
}

/** A run between two calls: all that it needs to go on. */
export interface Progress {
  readonly update: number
  /** State tensors one behind the other, in the order of `stateOf`. */
  readonly state: Float32Array
  readonly losses: Losses
}

/** A run after a call, for its host to look at. */
export interface Pause {
  readonly update: number
  /** Milliseconds that the call took. */
  readonly busyMs: number
  /** Copies all that the run needs to go on from here. */
  capture(): Progress
}

export interface NativeControl {
  /** After each call; `stop` ends the run there. */
  between(pause: Pause): Promise<'go' | 'stop'>
  nowMs(): number
}

export interface Trained {
  readonly status: 'ok' | 'diverged' | 'stopped'
  readonly progress: Progress
  /** The parameters as the artifact has them. */
  readonly parameters: Float32Array
  readonly curve: ReturnType<typeof curveOf>
}

/** How long a call should take: long enough to cost nothing, short enough that a pause is felt soon. */
const CALL_MS = 1_000
const UPDATES_PER_CALL_MAX = 256
/** As the kernel has it, in the metric's unit. */
const DIVERGED_ABOVE_BITS = 100

/** Trains to the end, to divergence, or until it is stopped. Batches and schedules are those of the WASM kernel. */
export async function trainNatively(
  task: NativeTask,
  runtime: NativeRuntime,
  control: NativeControl,
): Promise<Trained> {
  const { learner, recipe, updates } = task
  const tensors = stateOf(learner.model, recipe)
  const session = await runtime.open(modelBytes(trainingGraph(learner.model, recipe)))
  const begun = task.resumed ?? beginning(task, tensors)
  let { update, losses } = begun
  let feeds = feedsOf(tensors, begun.state)
  const capture = (): Progress => ({ update, losses, state: stateOfFeeds(tensors, feeds) })
  for (let count = 1; update < updates; ) {
    const started = control.nowMs()
    const made = Math.min(count, updates - update)
    const reply = await session.run({ ...feeds, ...batchesOf(task, update, made) })
    const busyMs = control.nowMs() - started
    const more = addLosses(losses, reply, updates)
    if (more === 'diverged') return ended(task, 'diverged', capture())
    feeds = Object.fromEntries(tensors.map(({ name }) => [name, tensorOf(reply, `next.${name}`)]))
    update += made
    losses = more
    if ((await control.between({ update, busyMs, capture })) === 'stop')
      return ended(task, 'stopped', capture())
    const each = Math.max(busyMs / made, 0.01)
    count = Math.max(1, Math.min(UPDATES_PER_CALL_MAX, 2 * made, Math.floor(CALL_MS / each)))
  }
  return ended(task, 'ok', capture())
}

function beginning({ learner, initial }: NativeTask, tensors: readonly StateTensor[]): Progress {
  const state = new Float32Array(floatsOf(tensors))
  let at = 0
  for (const { part, parameter, shape } of tensors) {
    const size = sizeOf(shape)
    if (part === 'value') state.set(initial.subarray(parameter.at, parameter.at + size), at)
    at += size
  }
  if (initial.length !== learner.model.floats)
    throw new RangeError(`${initial.length} parameters, not ${learner.model.floats}`)
  return { update: 0, state, losses: { points: [], sum: 0, count: 0 } }
}

/** How many floats the state of a run is. */
export const floatsOf = (tensors: readonly StateTensor[]): number =>
  tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0)

function feedsOf(tensors: readonly StateTensor[], state: Float32Array): Feeds {
  let at = 0
  return Object.fromEntries(
    tensors.map(({ name, shape }) => {
      const data = state.slice(at, at + sizeOf(shape))
      at += data.length
      return [name, { type: 'float32', data, shape }] as const
    }),
  )
}

function stateOfFeeds(tensors: readonly StateTensor[], feeds: Feeds): Float32Array {
  const state = new Float32Array(floatsOf(tensors))
  let at = 0
  for (const { name } of tensors) {
    const data = floatsIn(feeds, name)
    state.set(data, at)
    at += data.length
  }
  return state
}

function tensorOf(feeds: Feeds, name: string): HostTensor {
  const tensor = feeds[name]
  if (tensor === undefined) throw new Error(`the runtime gives no ${name}`)
  return tensor
}

function floatsIn(feeds: Feeds, name: string): Float32Array {
  const { data } = tensorOf(feeds, name)
  if (!(data instanceof Float32Array)) throw new Error(`${name} is not of floats`)
  return data
}

/** The batches and numbers of `count` updates from update `first` on. */
function batchesOf({ learner, recipe, seed, updates }: NativeTask, first: number, count: number): Feeds {
  const { model, drawsPerUpdate, fill } = learner
  const { inputs, targets, type } = model.batch
  const size = count * sizeOf(inputs)
  const batch: Batch = {
    inputs: type === 'int32' ? new Int32Array(size) : new Float32Array(size),
    targets: new Int32Array(count * sizeOf(targets)),
  }
  const draws = Draws.after(seed, first * drawsPerUpdate)
  const numbers = new Float32Array(count * NUMBERS.length)
  for (let i = 0; i < count; i++) {
    fill(draws, batch, i)
    numbers.set(numbersOf(recipe, first + i, updates), i * NUMBERS.length)
  }
  return {
    count: { type: 'int64', data: BigInt64Array.of(BigInt(count)), shape: [] },
    inputs: { type: type === 'int32' ? 'int32' : 'float32', data: batch.inputs, shape: [count, ...inputs] },
    targets: { type: 'int32', data: batch.targets, shape: [count, ...targets] },
    numbers: { type: 'float32', data: numbers, shape: [count, NUMBERS.length] },
  }
}

const BITS_PER_NAT = Math.LOG2E

function addLosses(before: Losses, reply: Feeds, updates: number): Losses | 'diverged' {
  const nats = floatsIn(reply, LOSSES)
  const norms = floatsIn(reply, NORMS)
  const every = Math.ceil(updates / CURVE_POINTS)
  const points = [...before.points]
  let { sum, count } = before
  for (let i = 0; i < nats.length; i++) {
    const bits = (nats[i] ?? Number.NaN) * BITS_PER_NAT
    if (!(bits <= DIVERGED_ABOVE_BITS) || !Number.isFinite(norms[i])) return 'diverged'
    sum += bits
    count++
    if (count < every) continue
    points.push(sum / count)
    sum = 0
    count = 0
  }
  return { points, sum, count }
}

function ended(
  { learner, recipe, updates }: NativeTask,
  status: Trained['status'],
  progress: Progress,
): Trained {
  const parameters = new Float32Array(learner.model.floats)
  let at = 0
  for (const { part, parameter, shape } of stateOf(learner.model, recipe)) {
    if (part !== 'value') break
    const size = sizeOf(shape)
    parameters.set(progress.state.subarray(at, at + size), parameter.at)
    at += size
  }
  return { status, progress, parameters, curve: curveOf(progress.losses, updates) }
}
