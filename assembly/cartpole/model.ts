// The model that lib/run.ts trains. The blocks of a batch are first the steps of its episodes, as many as an episode may
// have, then the chunks of those steps whose gradients are added; both do nothing behind the longest episode.

import { descendFlops } from '../lib/descend'
import { perceiveBackwardFlops, perceiveFlops } from '../lib/perceptron'
import { CALIBRATE, counters } from '../lib/state'
import { descent, recipe } from './recipe'
import { beginEpisodes, meanReturn, playStep, setAdvantages, TRIAL_STEPS, trialStep } from './rollout'
import { CHUNK, play, policy, tensors, TRIALS } from './shape'
import { STEPS_MAX } from './simulation'
import { applyUpdate, clearGradients, countBatch, learnChunk } from './train'

// Operations per lane and step of the simulation with its draw, and per row of the loss.
const SIMULATION: u64 = 60
const LOSS: u64 = 50

@unmanaged
export class Model {
  begin(): void {
    clearGradients()
    beginEpisodes()
  }

  trainBlocks(): u32 {
    return STEPS_MAX + STEPS_MAX / CHUNK
  }

  trainStages(): u32 {
    return 1
  }

  trainFlops(block: u32, stage: u32): u64 {
    return block < STEPS_MAX ? playFlops(recipe.episodes) : u64(CHUNK) * learnFlops()
  }

  train(block: u32, stage: u32): bool {
    if (block < STEPS_MAX) return playStep(block)
    if (block == STEPS_MAX) play().batch = setAdvantages()
    learnChunk(block - STEPS_MAX)
    return true
  }

  /** The mean return. */
  batchLoss(): f64 {
    return meanReturn()
  }

  lossMax(): f64 {
    return Infinity
  }

  updateStages(): u32 {
    return 1
  }

  updateFlops(stage: u32): u64 {
    return descendFlops(descent) * u64(tensors.count)
  }

  update(stage: u32): bool {
    if (!applyUpdate()) return false
    countBatch()
    return true
  }

  /** A batch costs as many steps as its longest episode has; an update's fixed costs are counted more than once, to be safe. */
  longestUpdate(price: u64): u64 {
    return (price * u64(STEPS_MAX)) / u64(max<u32>(1, play().firstLongest))
  }

  evaluationBlocks(): u32 {
    return TRIAL_STEPS
  }

  evaluationStages(): u32 {
    return 1
  }

  evaluationFlops(stage: u32): u64 {
    return playFlops(TRIALS)
  }

  evaluate(block: u32, stage: u32): bool {
    const standing = trialStep(block)
    if (standing < 0) return false
    if (counters().phase != CALIBRATE) counters().valSum += f64(standing)
    return true
  }

  metric(): f64 {
    return counters().valSum / f64(TRIALS)
  }
}

/** Operations of what was trained so far: its batches had `rounds` steps of all episodes. */
export function flopsSoFar(): u64 {
  const s = counters()
  return play().rounds * (playFlops(recipe.episodes) + learnFlops()) + u64(s.updates) * descendFlops(descent) * u64(tensors.count)
}

function playFlops(lanes: u32): u64 {
  return u64(lanes) * (perceiveFlops(policy) + SIMULATION)
}

// Of one step of all episodes: forward again, and backward.
function learnFlops(): u64 {
  return u64(recipe.episodes) * (perceiveFlops(policy) + perceiveBackwardFlops(policy, false) + LOSS)
}
