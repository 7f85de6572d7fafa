// The policy's shapes and where the buffers of a run lie. Letters: E episodes of an update, T = 200 steps at most. Row (t, e) of
// a batch is step t of episode e, at t E + e.
//
// Parameters: weights of the layers, zeros up to a multiple of eight, biases, zeros up to a multiple of eight.

import { beginCount, beginPlacing, floats, isReal, position, take } from '../lib/arena'
import { HEADER_BYTES } from '../lib/artifact'
import { Tensors } from '../lib/descend'
import { setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { biasCount, Perceptron, placePerceptron, roundUp8, weightCount } from '../lib/perceptron'
import { countersBytes, setCounters } from '../lib/state'
import { recipe } from './recipe'
import { Lane, STEPS_MAX } from './simulation'

export const OBSERVATION: u32 = 4 // floats
export const ACTIONS: u32 = 2
/** Episodes of the evaluation, side by side. */
export const TRIALS: u32 = 100
/** Steps of a batch whose gradients are computed at once. */
export const CHUNK: u32 = 10

/** What a run of this kernel knows beside the library's counters; part of the state. */
@unmanaged
export class Play {
  steps: u64 // of all finished updates, counted in each episode
  rounds: u64 // steps of the longest episode, summed over the updates
  longest: u32 // steps of the longest episode of the present batch
  firstLongest: u32 // the same of update 0
  batch: u32 // steps of the present batch, counted in each episode; known when its last one is over
  reserved: u32
}

@unmanaged
class Arena {
  state: usize // counters, Play, then the artifact: header and parameters, then both moments
  stateBytes: usize
  play: usize
  artifact: usize
  lanes: usize // records of type Lane: E, or those of the evaluation
  observations: usize // (T, E, 4); of an evaluation (TRIALS, 4)
  actions: usize // (T, E) u8
  advantages: usize // (T, E) f64
  trainable: u32 // parameters, without the zeros between
}

export const tensors = changetype<Tensors>(memory.data(offsetof<Tensors>(), 16))
export const arena = changetype<Arena>(memory.data(offsetof<Arena>(), 16))
export const policy = changetype<Perceptron>(memory.data(offsetof<Perceptron>(), 16))

export function play(): Play {
  return changetype<Play>(arena.play)
}

export function lane(index: u32): Lane {
  return changetype<Lane>(arena.lanes + usize(index) * offsetof<Lane>())
}

/** Derives every shape from the recipe. */
export function setShape(): void {
  policy.features = OBSERVATION
  policy.width = recipe.width
  policy.hidden = recipe.depth
  policy.outs = ACTIONS
  policy.stride = roundUp8(ACTIONS)
  policy.activation = recipe.activation
  policy.rows = max(TRIALS, CHUNK * recipe.episodes)
  const weights = weightCount(policy)
  const biases = biasCount(policy)
  tensors.matrices = roundUp8(weights)
  tensors.count = tensors.matrices + roundUp8(biases)
  arena.trainable = weights + biases
}

/** Lays out everything; false if it would take more than `pagesMax` pages. Training needs moments and gradients as well. */
export function arrange(train: bool, pagesMax: u32): bool {
  beginCount()
  place(train)
  if (!beginPlacing(pagesMax)) return false
  place(train)
  setCounters(arena.state)
  return true
}

function place(train: bool): void {
  const weights = usize(tensors.count) << 2
  const rows = train ? STEPS_MAX * recipe.episodes : 0
  arena.state = take(countersBytes(0))
  arena.play = take(offsetof<Play>())
  arena.artifact = take(HEADER_BYTES)
  tensors.parameters = take(weights)
  tensors.mean = take(train ? weights : 0)
  tensors.square = take(train ? weights : 0)
  arena.stateBytes = position() - arena.state
  tensors.gradients = take(train ? weights : 0)
  arena.lanes = take(usize(max(TRIALS, recipe.episodes)) * offsetof<Lane>())
  arena.observations = floats(max(TRIALS, rows) * OBSERVATION)
  arena.actions = take(usize(rows))
  arena.advantages = take(usize(rows) << 3)
  placePerceptron(policy, train)
  const workspace = take(WORKSPACE_BYTES)
  if (!isReal()) return
  setWorkspace(workspace)
  policy.weights = tensors.parameters
  policy.biases = tensors.parameters + (usize(tensors.matrices) << 2)
  policy.weightSlopes = tensors.gradients
  policy.biasSlopes = tensors.gradients + (usize(tensors.matrices) << 2)
}
