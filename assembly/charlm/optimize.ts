// The update: clipping, then AdamW or SGD on everything, or Muon on the layers' matrices and AdamW on the rest. Weight decay is
// on matrices only. With Muon each matrix takes ten stages, the halves of its five Newton-Schulz steps.

import { adamw, squaredNorm, Update } from '../lib/adamw'
import {
  Block, muonApply, muonBegin, muonFlops, muonMultiply, muonScale, muonSquare, NEWTON_SCHULZ_STEPS,
} from '../lib/muon'
import { learningRate } from '../lib/schedule'
import { sgd } from '../lib/sgd'
import { counters } from '../lib/state'
import { arena, space } from './arena'
import { addRows } from './forward'
import { MUON, recipe, schedule, SGD, SWIGLU } from './recipe'
import { contractOffset, expandOffset, projectionOffset, qkvOffset, shape } from './shape'

const BETA1: f64 = 0.9
const HALVES: u32 = 2 * NEWTON_SCHULZ_STEPS

const update = changetype<Update>(memory.data(offsetof<Update>(), 16))
const block = changetype<Block>(memory.data(offsetof<Block>(), 16))
let lr: f64 = 0 // of the present update

/** Stage 0 looks at the whole gradient and does all that is not Muon's; the others are Muon's. */
export function updateStages(): u32 {
  return recipe.optimizer == MUON ? 1 + shape.depth * matricesOfLayer() * HALVES : 1
}

/** Operations of a stage: 16 per parameter for AdamW with the gradient's norm (8 for SGD), products as executed for Muon. */
export function updateFlops(stage: u32): u64 {
  if (stage > 0) {
    chooseBlock((stage - 1) / HALVES)
    return muonFlops(block, (stage & 1) == 1)
  }
  if (recipe.optimizer == SGD) return 8 * u64(shape.parameters)
  const elsewhere: u64 = recipe.optimizer == MUON ? 14 * u64(shape.layer * shape.depth) : 0
  return 16 * u64(shape.parameters) - elsewhere
}

/** Runs a stage; false, with nothing changed, if the gradient's norm is not finite. */
export function updateStage(stage: u32): bool {
  if (stage == 0) return begin()
  const half = (stage - 1) % HALVES
  const offset = chooseBlock((stage - 1) / HALVES)
  if (half == 0) {
    muonBegin(space, block, arena.gradients + offset, arena.mean + offset, update.gradientScale, f32(recipe.momentum))
  }
  if ((half & 1) == 0) muonSquare(space, block)
  else muonMultiply(space, block)
  if (half == HALVES - 1) {
    const keep = f32(1 - lr * recipe.weightDecay)
    muonApply(space, block, arena.parameters + offset, f32(lr * muonScale(block)), keep)
  }
  return true
}

function begin(): bool {
  addRows(arena.gradients, arena.gradients, arena.embeddingGradients, usize(shape.symbols * shape.width) << 2)
  const s = counters()
  const norm = sqrt<f64>(squaredNorm(arena.gradients, shape.parameters))
  if (!(norm < Infinity)) return false
  s.beta1Power *= BETA1
  s.beta2Power *= recipe.beta2
  lr = learningRate(schedule, s.updates, s.planned)
  update.gradientScale = norm > recipe.clip ? f32(recipe.clip / norm) : 1
  update.beta1 = f32(BETA1)
  update.beta2 = f32(recipe.beta2)
  update.rate = f32(lr / (1 - s.beta1Power))
  update.correction = f32(1 / sqrt<f64>(1 - s.beta2Power))
  const keep = f32(1 - lr * recipe.weightDecay)
  apply(0, recipe.optimizer == MUON ? shape.tables : shape.matrices, keep)
  apply(shape.matrices, shape.parameters - shape.matrices, 1)
  return true
}

// AdamW or SGD on `count` parameters from number `first`.
function apply(first: u32, count: u32, keep: f32): void {
  const at = usize(first) << 2
  const p = arena.parameters + at, g = arena.gradients + at, m = arena.mean + at
  if (recipe.optimizer == SGD) sgd(p, g, m, count, update.gradientScale, f32(recipe.momentum), f32(lr), keep)
  else adamw(p, g, m, arena.square + at, count, keep, update)
}

// q, k, v, projection, expand (with a gate: gate and value), contract
function matricesOfLayer(): u32 {
  return recipe.activation == SWIGLU ? 7 : 6
}

// Makes `block` the shape of matrix `index` of the layers' matrices, in order; its offset in bytes.
function chooseBlock(index: u32): usize {
  const D = shape.width
  const l = index / matricesOfLayer()
  const which = index % matricesOfLayer()
  block.rows = D
  block.columns = D
  block.stride = D
  if (which < 3) {
    block.stride = 3 * D
    return qkvOffset(l) + (usize(which * D) << 2)
  }
  if (which == 3) return projectionOffset(l)
  if (which == matricesOfLayer() - 1) {
    block.rows = shape.hidden
    return contractOffset(l)
  }
  block.columns = shape.hidden
  block.stride = shape.expanded
  return expandOffset(l) + (usize((which - 4) * shape.hidden) << 2)
}
