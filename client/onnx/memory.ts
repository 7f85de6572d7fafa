/**
 * How much memory a native run takes, from the shapes of its graph alone, before anything is allocated: a sum over the nodes of one
 * update, in the order in which they run, and the state that goes through it.
 */
import type { Recipe } from '#protocol/job.ts'
import { updatesPerCallMax } from './batches.ts'
import { type ElementType, type Graph, sizeOf, type Tensor } from './graph.ts'
import { floatsOf } from './state.ts'
import { type Model, stateOf, trainingGraph } from './training.ts'

const MIB = 1024 ** 2

// Measured as peaks of a process on the CPU (ops/LOG.md): Node with the library before it opens a model; the model itself.
const PROCESS_BYTES = 128 * MIB
const SESSION_BYTES = 48 * MIB
// The state in both turns of the loop, as it comes in and goes out, and copied for a checkpoint.
const STATE_COPIES = 6
// The allocator grows by powers of two, and keeps what it has.
const ARENA_SLACK = 2.6
// Batches are made in JavaScript and handed over.
const BATCH_COPIES = 2

interface Sized {
  readonly model: Model
  readonly recipe: Recipe
  /** Of the kernel, which draws the first weights and judges the last ones in the same process. */
  readonly kernelBytes: number
}

/** Bytes that a process takes at most to train this, on the CPU or, the device's part of it, on a GPU. */
export function memoryEstimate({ model, recipe, kernelBytes }: Sized): number {
  const state = 4 * floatsOf(stateOf(model, recipe))
  const batch = 4 * (sizeOf(model.batch.inputs) + sizeOf(model.batch.targets)) * updatesPerCallMax(model)
  const update = ARENA_SLACK * liveBytes(bodyOf(trainingGraph(model, recipe)))
  return Math.ceil(
    PROCESS_BYTES + SESSION_BYTES + kernelBytes + STATE_COPIES * state + BATCH_COPIES * batch + update,
  )
}

/** The most that the results of a graph's nodes take at once, each kept from where it is made to where it is last used. */
export function liveBytes({ nodes, outputs }: Graph): number {
  const lastUse = new Map<string, number>()
  nodes.forEach(({ inputs }, i) => {
    for (const { name } of inputs) lastUse.set(name, i)
  })
  for (const { name } of outputs) lastUse.set(name, nodes.length)
  const freed = new Float64Array(nodes.length + 1)
  let [live, peak] = [0, 0]
  nodes.forEach((node, i) => {
    for (const tensor of node.outputs) {
      const end = lastUse.get(tensor.name) ?? i
      freed[end] = (freed[end] ?? 0) + bytesOf(tensor)
      live += bytesOf(tensor)
    }
    peak = Math.max(peak, live)
    live -= freed[i] ?? 0
  })
  return peak
}

const BYTES: Readonly<Record<ElementType, number>> = { float32: 4, int32: 4, int64: 8, bool: 1 }

const bytesOf = ({ type, shape }: Tensor): number => BYTES[type] * sizeOf(shape)

function bodyOf({ nodes }: Graph): Graph {
  const body = nodes.find(({ op }) => op === 'Loop')?.attributes.body
  if (body === undefined || !('graph' in body)) throw new Error('a training graph is a loop')
  return body.graph
}
