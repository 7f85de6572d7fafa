// The recipe. The ranges are those of manifest.json (a test compares them).

import { blame, choice, integer, real } from '../lib/job'
import { Schedule } from '../lib/schedule'

@unmanaged
class Recipe {
  dense: bool // vocabulary: only the bytes that occur in train
  depth: u32
  width: u32
  heads: u32
  context: u32
  batch: u32
  beta2: f64
  weightDecay: f64
  clip: f64
}

export const recipe = changetype<Recipe>(memory.data(offsetof<Recipe>(), 16))
export const schedule = changetype<Schedule>(memory.data(offsetof<Schedule>(), 16))

/** Fills `recipe` and `schedule` from the job; what is wrong with it, `jobFault` says. */
export function readRecipe(): void {
  recipe.dense = choice('vocabulary', 'bytes,dense') == 1
  recipe.depth = integer('depth', 1, 8)
  recipe.width = integer('width', 16, 512)
  recipe.heads = integer('heads', 1, 16)
  recipe.context = integer('context', 16, 256)
  recipe.batch = integer('batch', 1, BATCH_MAX)
  recipe.beta2 = real('beta2', 0.8, 0.9999)
  recipe.weightDecay = real('weight_decay', 0, 1)
  recipe.clip = real('clip', 0.01, 1000)
  schedule.lr = real('lr', 1e-5, 0.1)
  schedule.warmup = integer('warmup', 0, 10000)
  schedule.final = real('final', 0, 1)
  if ((recipe.width & 7) != 0) blame('width')
  if (recipe.heads == 0 || recipe.width % recipe.heads != 0) blame('heads')
}

export const BATCH_MAX: u32 = 64
