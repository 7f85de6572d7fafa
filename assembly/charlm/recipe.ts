// The job: what to do, with which recipe, how long. The ranges are those of manifest.json (a test compares them).

import { isComplete, member, numberAt, textIs } from '../lib/json'

const FUEL_MAX: f64 = 9e15
export const UPDATES_MAX: f64 = 1e6
const SEED_MAX: f64 = 281474976710655

@unmanaged
class Recipe {
  dense: bool // vocabulary: only the bytes that occur in train
  depth: u32
  width: u32
  heads: u32
  context: u32
  batch: u32
  warmup: u32
  lr: f64
  beta2: f64
  weightDecay: f64
  final: f64
  clip: f64
}

@unmanaged
class Job {
  evaluate: bool
  seed: u64
  fuel: u64 // 0 if the limit is a number of updates
  updates: u32
}

export const recipe = changetype<Recipe>(memory.data(offsetof<Recipe>(), 16))
export const job = changetype<Job>(memory.data(offsetof<Job>(), 16))

let fault: string = '' // the first member that was missing or out of range

/** Fills `job` and `recipe` from the text; the name of the first bad member, or an empty string. */
export function readJob(text: usize, end: usize): string {
  fault = ''
  if (!isComplete(text, end)) blame('its end')
  const task = member(text, end, 'task')
  job.evaluate = textIs(task, end, 'evaluate')
  if (!job.evaluate && !textIs(task, end, 'train')) blame('task')
  job.seed = u64(integer(text, end, 'seed', 0, SEED_MAX))
  readLimit(member(text, end, 'limit'), end)
  readRecipe(member(text, end, 'recipe'), end)
  return fault
}

function readLimit(limit: usize, end: usize): void {
  job.fuel = 0
  job.updates = 0
  if (member(limit, end, 'fuel') != 0) job.fuel = u64(integer(limit, end, 'fuel', 1, FUEL_MAX))
  else if (member(limit, end, 'updates') != 0) job.updates = u32(integer(limit, end, 'updates', 1, UPDATES_MAX))
  else blame('limit')
}

function readRecipe(object: usize, end: usize): void {
  const vocabulary = member(object, end, 'vocabulary')
  recipe.dense = textIs(vocabulary, end, 'dense')
  if (!recipe.dense && !textIs(vocabulary, end, 'bytes')) blame('vocabulary')
  recipe.depth = u32(integer(object, end, 'depth', 1, 8))
  recipe.width = u32(integer(object, end, 'width', 16, 512))
  recipe.heads = u32(integer(object, end, 'heads', 1, 16))
  recipe.context = u32(integer(object, end, 'context', 16, 256))
  recipe.batch = u32(integer(object, end, 'batch', 1, 64))
  recipe.warmup = u32(integer(object, end, 'warmup', 0, 10000))
  recipe.lr = real(object, end, 'lr', 1e-5, 0.1)
  recipe.beta2 = real(object, end, 'beta2', 0.8, 0.9999)
  recipe.weightDecay = real(object, end, 'weight_decay', 0, 1)
  recipe.final = real(object, end, 'final', 0, 1)
  recipe.clip = real(object, end, 'clip', 0.01, 1000)
  if ((recipe.width & 3) != 0) blame('width')
  if (recipe.heads == 0 || recipe.width % recipe.heads != 0) blame('heads')
}

function real(object: usize, end: usize, name: string, minimum: f64, maximum: f64): f64 {
  const value = numberAt(member(object, end, name), end)
  if (value >= minimum && value <= maximum) return value
  blame(name)
  return minimum
}

function integer(object: usize, end: usize, name: string, minimum: f64, maximum: f64): f64 {
  const value = real(object, end, name, minimum, maximum)
  if (value != floor(value)) blame(name)
  return value
}

function blame(name: string): void {
  if (fault.length == 0) fault = name
}
