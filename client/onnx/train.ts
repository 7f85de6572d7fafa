/**
 * A native training run from its beginning, or its checkpoint, to its weights: some updates at a time in one call of the
 * runtime, so that it can report, wait, be saved and be stopped between two calls. What runs the graph is given.
 */
import { type Batches, batchesOf, updatesPerCallMax } from './batches.ts'
import { type Losses, NO_LOSSES, withLoss, withVal } from './curve.ts'
import { modelBytes } from './model.ts'
import { feedsOf, initialState, nextFeeds, parametersIn, stateOfFeeds } from './state.ts'
import { type Feeds, floatsIn, type NativeRuntime, type Session } from './tensors.ts'
import { LOSSES, NORMS, type StateTensor, stateOf, trainingGraph } from './training.ts'

export interface NativeTask extends Batches {
  /** The parameters as the artifact has them, before the first update. */
  readonly initial: Float32Array
  /** After which of its updates the weights are evaluated, ascending; the run ends with the last of them. */
  readonly ends: readonly number[]
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
  /** The mean loss of the last update, in the metric's unit. */
  readonly loss: number
  /** Copies all that the run needs to go on from here. */
  capture(): Progress
}

export interface NativeControl {
  /** After each call; `stop` ends the run there. */
  between(pause: Pause): Promise<'go' | 'stop'>
  /** The validation loss of these parameters, or why the run ends without. `at` is where it goes on if this is stopped. */
  evaluate(parameters: Float32Array, at: Progress): Promise<number | 'diverged' | 'stopped'>
  nowMs(): number
}

export interface Trained {
  readonly status: 'ok' | 'diverged' | 'stopped'
  readonly progress: Progress
  /** The parameters as the artifact has them. */
  readonly parameters: Float32Array
}

/** How long a call should take: long enough to cost nothing, short enough that a pause is felt soon. */
const CALL_MS = 1_000
/** As the kernel has it, in the metric's unit. */
const DIVERGED_ABOVE_BITS = 100

/** Trains to the end, to divergence, or until it is stopped. Batches and schedules are those of the WASM kernel. */
export async function trainNatively(
  task: NativeTask,
  runtime: NativeRuntime,
  control: NativeControl,
): Promise<Trained> {
  const { model } = task.learner
  const tensors = stateOf(model, task.recipe)
  const session = await runtime.open(modelBytes(trainingGraph(model, task.recipe)))
  try {
    const run = new Run(task, tensors, session, control)
    const status = await run.toItsEnd()
    const progress = run.capture()
    return { status, progress, parameters: parametersIn(tensors, model, progress.state) }
  } finally {
    await session.close()
  }
}

class Run {
  readonly #task: NativeTask
  readonly #tensors: readonly StateTensor[]
  readonly #session: Session
  readonly #control: NativeControl
  #update: number
  #losses: Losses
  #feeds: Feeds
  /** Of the next call. */
  #count = 1

  constructor(task: NativeTask, tensors: readonly StateTensor[], session: Session, control: NativeControl) {
    const { learner, initial, resumed } = task
    this.#task = task
    this.#tensors = tensors
    this.#session = session
    this.#control = control
    this.#update = resumed?.update ?? 0
    this.#losses = resumed?.losses ?? NO_LOSSES
    this.#feeds = feedsOf(tensors, resumed?.state ?? initialState(tensors, learner.model, initial))
  }

  capture(): Progress {
    return { update: this.#update, losses: this.#losses, state: stateOfFeeds(this.#tensors, this.#feeds) }
  }

  async toItsEnd(): Promise<Trained['status']> {
    for (const end of this.#task.ends) {
      if (this.#isEvaluated(end)) continue
      while (this.#update < end) {
        const order = await this.#call(end)
        if (order !== 'go') return order
      }
      const { learner } = this.#task
      const at = this.capture()
      const val = await this.#control.evaluate(parametersIn(this.#tensors, learner.model, at.state), at)
      if (typeof val !== 'number') return val
      this.#losses = withVal(this.#losses, val, end)
    }
    return 'ok'
  }

  /** Rungs of a short run may end together: one evaluation is for all of them. */
  #isEvaluated(end: number): boolean {
    return this.#losses.points.some(({ update, val }) => update === end && val !== null)
  }

  /** Some updates, at most to `end`. */
  async #call(end: number): Promise<'go' | 'diverged' | 'stopped'> {
    const started = this.#control.nowMs()
    const made = Math.min(this.#count, end - this.#update)
    const reply = await this.#session.run({ ...this.#feeds, ...batchesOf(this.#task, this.#update, made) })
    const busyMs = this.#control.nowMs() - started
    const loss = this.#add(reply)
    if (loss === undefined) return 'diverged'
    this.#feeds = nextFeeds(this.#tensors, reply)
    this.#update += made
    const each = Math.max(busyMs / made, 0.01)
    const most = updatesPerCallMax(this.#task.learner.model)
    this.#count = Math.max(1, Math.min(most, 2 * made, Math.floor(CALL_MS / each)))
    const pause = { update: this.#update, busyMs, loss, capture: () => this.capture() }
    return (await this.#control.between(pause)) === 'stop' ? 'stopped' : 'go'
  }

  /** Takes in the losses of a call; the last of them, or undefined if a loss or the norm of a gradient left all numbers behind. */
  #add(reply: Feeds): number | undefined {
    const nats = floatsIn(reply, LOSSES)
    const norms = floatsIn(reply, NORMS)
    let loss = Number.NaN
    for (let i = 0; i < nats.length; i++) {
      loss = (nats[i] ?? Number.NaN) * Math.LOG2E
      if (!(loss <= DIVERGED_ABOVE_BITS) || !Number.isFinite(norms[i])) {
        this.#update += i
        return undefined
      }
      const at = { update: this.#update + i + 1, updates: this.#task.updates }
      this.#losses = withLoss(this.#losses, loss, at)
    }
    return loss
  }
}
