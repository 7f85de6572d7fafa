// One update: the gradient of the policy's log-likelihood, weighted by advantages (Williams 1992, REINFORCE).

import { descend } from '../lib/descend'
import { job } from '../lib/job'
import { fillPerceptron, perceive, perceiveBackward } from '../lib/perceptron'
import { stream } from '../lib/rng'
import { crossEntropy } from '../lib/softmax'
import { counters } from '../lib/state'
import { descent, recipe, schedule } from './recipe'
import { ACTIONS, arena, CHUNK, OBSERVATION, play, policy, tensors } from './shape'

// Of the last layer's weights: a policy begins near indifference.
const LAST_GAIN: f64 = 0.01

/** Fresh weights; biases 0. */
export function initialise(): void {
  const random = memory.data(8, 16)
  store<u64>(random, stream(job.seed, 0))
  fillPerceptron(policy, random, LAST_GAIN)
}

export function clearGradients(): void {
  memory.fill(tensors.gradients, 0, usize(tensors.count) << 2)
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

/** Clips and applies the gradients; false, with nothing changed, if their norm is not finite. */
export function applyUpdate(): bool {
  return descend(descent, tensors, schedule)
}

/** Counts the batch that was just learnt from. */
export function countBatch(): void {
  const p = play()
  p.steps += u64(p.batch)
  p.rounds += u64(p.longest)
  if (counters().updates == 0) p.firstLongest = p.longest
}
