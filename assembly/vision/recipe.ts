// The recipe. The ranges are those of manifest.json (a test compares them).

import { Descent } from '../lib/descend'
import { blame, choice, integer, real } from '../lib/job'
import { Schedule, SCHEDULES } from '../lib/schedule'

export const SOFTMAX: u32 = 0
export const MLP: u32 = 1
export const CNN: u32 = 2

@unmanaged
class Recipe {
  model: u32
  depth: u32 // hidden layers, of mlp, and of cnn behind the convolutions
  width: u32 // of a hidden layer
  channels: u32 // of the first convolution; the second has twice as many
  activation: u32 // lib/pointwise.ts numbers them
  batch: u32
  shift: u32 // training images are moved by up to so many pixels
}

export const recipe = changetype<Recipe>(memory.data(offsetof<Recipe>(), 16))
export const descent = changetype<Descent>(memory.data(offsetof<Descent>(), 16))
export const schedule = changetype<Schedule>(memory.data(offsetof<Schedule>(), 16))

/** Fills `recipe`, `descent` and `schedule` from the job; what is wrong with it, `jobFault` says. */
export function readRecipe(): void {
  recipe.model = choice('model', 'softmax,mlp,cnn')
  recipe.depth = integer('depth', 0, 4)
  recipe.width = integer('width', 8, 1024)
  recipe.channels = integer('channels', 8, 32)
  recipe.activation = choice('activation', 'relu,gelu,tanh')
  recipe.batch = integer('batch', 1, BATCH_MAX)
  recipe.shift = integer('shift', 0, 4)
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
  if ((recipe.channels & 7) != 0) blame('channels')
}

export const BATCH_MAX: u32 = 256
