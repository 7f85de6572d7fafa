// Playing: the episodes of a batch side by side, one step of all of them at a time, each action drawn from the policy; and the
// trials of an evaluation, in which the likelier action is taken.

import { perceive } from '../lib/perceptron'
import { next, stream } from '../lib/rng'
import { padRow, softmax } from '../lib/softmax'
import { Counters, counters } from '../lib/state'
import { recipe } from './recipe'
import { ACTIONS, arena, lane, OBSERVATION, play, policy, TRIALS } from './shape'
import { observe, push, reset, STEPS_MAX } from './simulation'

/** Sets up the episodes of a batch. */
export function beginEpisodes(): void {
  const random = changetype<usize>(counters()) + offsetof<Counters>('random')
  for (let e: u32 = 0; e < recipe.episodes; e++) reset(lane(e), random)
  play().longest = 0
}

/**
 * Step `t` of all episodes. Those that are over are computed as well, and draw as well, but change nothing: so a step costs the
 * same whatever happens, and the price of any batch follows from one. Nothing happens when all are over. False: the policy
 * gives no numbers.
 */
export function playStep(t: u32): bool {
  if (allOver(recipe.episodes)) return true
  const rows = recipe.episodes
  const first = t * rows
  const seen = arena.observations + (usize(first * OBSERVATION) << 2)
  if (!decide(seen, rows)) return false
  const random = changetype<usize>(counters()) + offsetof<Counters>('random')
  for (let e: u32 = 0; e < rows; e++) {
    const row = policy.logits + (usize(e * policy.stride) << 2)
    padRow(row, ACTIONS, policy.stride)
    softmax(row, policy.stride, 1)
    const right = f32(next(random) >> 40) * (1.0 / 16777216.0) >= load<f32>(row)
    store<u8>(arena.actions + usize(first + e), u8(right))
    push(lane(e), right)
  }
  play().longest = t + 1
  return true
}

/** Step `t` of the evaluation, whose first states are the same for every run; how many trials stood, -1: no numbers. */
export function trialStep(t: u32): i32 {
  if (t == 0) {
    const random = memory.data(8, 16)
    store<u64>(random, stream(0, 2))
    for (let e: u32 = 0; e < TRIALS; e++) reset(lane(e), random)
  }
  if (allOver(TRIALS)) return 0
  if (!decide(arena.observations, TRIALS)) return -1
  let standing = 0
  for (let e: u32 = 0; e < TRIALS; e++) {
    const row = policy.logits + (usize(e * policy.stride) << 2)
    if (lane(e).over == 0) standing += 1
    push(lane(e), load<f32>(row, 4) > load<f32>(row))
  }
  return standing
}

/**
 * The advantages of a finished batch. The return of (t, e) is G = 1 + gamma G(t + 1, e), 0 behind the episode's end; its
 * advantage is G less the mean of the episodes that reach t, over the root of the mean square of them all plus 1e-8. Gives
 * the number of steps played.
 */
export function setAdvantages(): u32 {
  const E = recipe.episodes
  for (let e: u32 = 0; e < E; e++) {
    let sum: f64 = 0
    for (let t = lane(e).steps; t > 0; t--) {
      sum = 1 + recipe.gamma * sum
      store<f64>(advantage(t - 1, e), sum)
    }
  }
  let squares: f64 = 0
  let steps: u32 = 0
  for (let t: u32 = 0; t < play().longest; t++) {
    let mean: f64 = 0
    let count: u32 = 0
    for (let e: u32 = 0; e < E; e++) {
      if (t >= lane(e).steps) continue
      mean += load<f64>(advantage(t, e))
      count += 1
    }
    mean /= f64(count)
    for (let e: u32 = 0; e < E; e++) {
      const centred = t < lane(e).steps ? load<f64>(advantage(t, e)) - mean : 0
      store<f64>(advantage(t, e), centred)
      squares += centred * centred
    }
    steps += count
  }
  const scale = sqrt<f64>(squares / f64(steps)) + 1e-8
  for (let i: u32 = 0; i < play().longest * E; i++) {
    const at = arena.advantages + (usize(i) << 3)
    store<f64>(at, load<f64>(at) / scale)
  }
  return steps
}

@inline function advantage(t: u32, e: u32): usize {
  return arena.advantages + (usize(t * recipe.episodes + e) << 3)
}

/** The mean return of the batch. */
export function meanReturn(): f64 {
  let sum: f64 = 0
  for (let e: u32 = 0; e < recipe.episodes; e++) sum += f64(lane(e).steps)
  return sum / f64(recipe.episodes)
}

function allOver(lanes: u32): bool {
  for (let e: u32 = 0; e < lanes; e++) if (lane(e).over == 0) return false
  return true
}

// Writes what `lanes` lanes show to `seen` and computes the logits of all; false unless each is a number.
function decide(seen: usize, lanes: u32): bool {
  for (let e: u32 = 0; e < lanes; e++) observe(lane(e), seen + (usize(e * OBSERVATION) << 2))
  perceive(policy, seen, lanes)
  let sum: f32 = 0
  for (let e: u32 = 0; e < lanes; e++) {
    const row = policy.logits + (usize(e * policy.stride) << 2)
    sum += (load<f32>(row) - load<f32>(row)) + (load<f32>(row, 4) - load<f32>(row, 4)) // 0, or NaN
  }
  return sum == 0
}

/** How many steps an evaluation has at most. */
export const TRIAL_STEPS: u32 = STEPS_MAX
