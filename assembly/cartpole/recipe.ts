// The recipe. The ranges are those of manifest.json (a test compares them).

import { Descent } from '../lib/descend'
import { blame, choice, integer, real } from '../lib/job'
import { Schedule, SCHEDULES } from '../lib/schedule'

@unmanaged
class Recipe {
  depth: u32 // hidden layers of the policy
  width: u32
  activation: u32 // lib/pointwise.ts numbers them
  episodes: u32 // of an update, played side by side
  gamma: f64 // discount of a return, per step
}

export const recipe = changetype<Recipe>(memory.data(offsetof<Recipe>(), 16))
export const descent = changetype<Descent>(memory.data(offsetof<Descent>(), 16))
export const schedule = changetype<Schedule>(memory.data(offsetof<Schedule>(), 16))

/** Fills `recipe`, `descent` and `schedule` from the job; what is wrong with it, `jobFault` says. */
export function readRecipe(): void {
  recipe.depth = integer('depth', 0, 2)
  recipe.width = integer('width', 8, 128)
  recipe.activation = choice('activation', 'relu,gelu,tanh')
  recipe.episodes = integer('episodes', 2, EPISODES_MAX)
  recipe.gamma = real('gamma', 0.8, 1)
  descent.sgd = choice('optimizer', 'adamw,sgd') == 1
  descent.beta2 = real('beta2', 0.8, 0.9999)
  descent.momentum = real('momentum', 0, 0.999)
  descent.weightDecay = real('weight_decay', 0, 1)
  descent.clip = real('clip', 0.01, 1000)
  schedule.kind = choice('schedule', SCHEDULES)
  schedule.lr = real('lr', 1e-5, 1)
  schedule.warmup = integer('warmup', 0, 10000)
  schedule.final = real('final', 0, 1)
  schedule.decay = real('decay', 0.01, 1)
  if ((recipe.width & 7) != 0) blame('width')
}

export const EPISODES_MAX: u32 = 64
