// One update: the gradient of the policy's log-likelihood, weighted by advantages (Williams 1992, REINFORCE).

import { adamw, squaredNorm, Update } from '../lib/adamw'
import { job } from '../lib/job'
import { fillPerceptron, perceive, perceiveBackward } from '../lib/perceptron'
import { stream } from '../lib/rng'
import { learningRate } from '../lib/schedule'
import { crossEntropy } from '../lib/softmax'
import { counters } from '../lib/state'
import { recipe, schedule } from './recipe'
import { ACTIONS, arena, CHUNK, OBSERVATION, play, policy } from './shape'

const BETA1: f64 = 0.9
// Of the last layer's weights: a policy begins near indifference.
const LAST_GAIN: f64 = 0.01

/** Fresh weights; biases 0. */
export function initialise(): void {
  const random = memory.data(8, 16)
  store<u64>(random, stream(job.seed, 0))
  fillPerceptron(policy, random, LAST_GAIN)
}

export function clearGradients(): void {
  memory.fill(arena.gradients, 0, usize(arena.count) << 2)
}

/** Adds the gradient of steps `chunk` CHUNK and the following ones of the present batch. */
export function learnChunk(chunk: u32): void {
  const E = recipe.episodes
  const from = chunk * CHUNK
  const to = min(from + CHUNK, play().longest)
  if (from >= to) return
  const rows = (to - from) * E
  const seen = arena.observations + (usize(from * E * OBSERVATION) << 2)
  const weight: f32 = 1 / f32(play().batch)
  perceive(policy, seen, rows)
  for (let r: u32 = 0; r < rows; r++) {
    const index = usize(from * E + r)
    const row = policy.logits + (usize(r * policy.stride) << 2)
    crossEntropy(row, ACTIONS, policy.stride, u32(load<u8>(arena.actions + index)), weight)
    const advantage = f32(load<f64>(arena.advantages + (index << 3)))
    for (let i: usize = 0; i < 4 * usize(ACTIONS); i += 4) store<f32>(row + i, load<f32>(row + i) * advantage)
  }
  perceiveBackward(policy, seen, rows, false)
}

const update = changetype<Update>(memory.data(offsetof<Update>(), 16))

/** Clips and applies the gradients; false, with nothing changed, if their norm is not finite. */
export function applyUpdate(): bool {
  const s = counters()
  const norm = sqrt<f64>(squaredNorm(arena.gradients, arena.count))
  if (!(norm < Infinity)) return false
  s.beta1Power *= BETA1
  s.beta2Power *= recipe.beta2
  const lr = learningRate(schedule, s.updates, s.planned)
  update.gradientScale = norm > recipe.clip ? f32(recipe.clip / norm) : 1
  update.beta1 = f32(BETA1)
  update.beta2 = f32(recipe.beta2)
  update.rate = f32(lr / (1 - s.beta1Power))
  update.correction = f32(1 / sqrt<f64>(1 - s.beta2Power))
  const split = usize(arena.matrices) << 2
  const rest = arena.count - arena.matrices
  const keep = f32(1 - lr * recipe.weightDecay)
  const p = arena.parameters, g = arena.gradients, m = arena.mean, v = arena.square
  adamw(p, g, m, v, arena.matrices, keep, update)
  adamw(p + split, g + split, m + split, v + split, rest, 1, update)
  return true
}

/** Counts the batch that was just learnt from. */
export function countBatch(): void {
  const p = play()
  p.steps += u64(p.batch)
  p.rounds += u64(p.longest)
  if (counters().updates == 0) p.firstLongest = p.longest
}
