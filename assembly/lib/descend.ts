// The update of a kernel whose parameters are all treated alike: clipping, then AdamW or SGD; weight decay on matrices only.

import { adamw, squaredNorm, Update } from './adamw'
import { Schedule, learningRate } from './schedule'
import { sgd } from './sgd'
import { counters } from './state'

const BETA1: f64 = 0.9

@unmanaged
export class Descent {
  sgd: bool // with momentum; otherwise AdamW
  beta2: f64
  momentum: f64
  weightDecay: f64
  clip: f64 // global norm of the gradient
}

/** Parameters, gradients and moments in one order: first the matrices, then the rest; both counts are multiples of eight. */
@unmanaged
export class Tensors {
  parameters: usize
  gradients: usize
  mean: usize
  square: usize
  matrices: u32 // floats
  count: u32 // floats of all
}

const update = changetype<Update>(memory.data(offsetof<Update>(), 16))

/** Applies the gradients of update number `counters().updates`; false, with nothing changed, if their norm is not finite. */
export function descend(how: Descent, tensors: Tensors, schedule: Schedule): bool {
  const s = counters()
  const norm = sqrt<f64>(squaredNorm(tensors.gradients, tensors.count))
  if (!(norm < Infinity)) return false
  s.beta1Power *= BETA1
  s.beta2Power *= how.beta2
  const lr = learningRate(schedule, s.updates, s.planned)
  update.gradientScale = norm > how.clip ? f32(how.clip / norm) : 1
  update.beta1 = f32(BETA1)
  update.beta2 = f32(how.beta2)
  update.rate = f32(lr / (1 - s.beta1Power))
  update.correction = f32(1 / sqrt<f64>(1 - s.beta2Power))
  apply(how, tensors, 0, tensors.matrices, lr, f32(1 - lr * how.weightDecay))
  apply(how, tensors, tensors.matrices, tensors.count - tensors.matrices, lr, 1)
  return true
}

/** Operations of `descend` per parameter, the gradient's norm included. */
export function descendFlops(how: Descent): u64 {
  return how.sgd ? 8 : 16
}

function apply(how: Descent, t: Tensors, first: u32, count: u32, lr: f64, keep: f32): void {
  const at = usize(first) << 2
  const p = t.parameters + at, g = t.gradients + at, m = t.mean + at
  if (how.sgd) sgd(p, g, m, count, update.gradientScale, f32(how.momentum), f32(lr), keep)
  else adamw(p, g, m, t.square + at, count, keep, update)
}
