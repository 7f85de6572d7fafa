// The recipe. The ranges are those of manifest.json (a test compares them).

import { blame, choice, integer, real, textAt } from '../lib/job'
import { Schedule, SCHEDULES } from '../lib/schedule'

export const BATCH_MAX: u32 = 64
const PATTERN_MAX: u32 = 8

// Activations, norms, optimizers, in the order in which the recipe's words are listed below.
export const GELU: u32 = 0
export const RELU2: u32 = 1
export const SWIGLU: u32 = 2
export const ADAMW: u32 = 0
export const MUON: u32 = 1
export const SGD: u32 = 2

@unmanaged
class Recipe {
  dense: bool // vocabulary: only the bytes that occur in train
  rms: bool // the norm; otherwise layer norm
  rope: bool // positions; otherwise learned
  qkNorm: bool
  untied: bool // the head has a matrix of its own
  valueEmbeddings: bool
  depth: u32
  width: u32
  heads: u32
  context: u32
  batch: u32
  mlpRatio: u32
  activation: u32
  optimizer: u32
  softcap: f64 // 0 for none
  beta2: f64
  momentum: f64
  weightDecay: f64
  clip: f64
  pattern: usize // where the window pattern's letters begin
  patternLength: u32
}

export const recipe = changetype<Recipe>(memory.data(offsetof<Recipe>(), 16))
export const schedule = changetype<Schedule>(memory.data(offsetof<Schedule>(), 16))

/** Fills `recipe` and `schedule` from the job; what is wrong with it, `jobFault` says. */
export function readRecipe(): void {
  readModel()
  readTraining()
  if ((recipe.width & 7) != 0) blame('width')
  if (recipe.heads == 0 || recipe.width % recipe.heads != 0) blame('heads')
  const headSize = recipe.width / max<u32>(1, recipe.heads)
  if (recipe.rope && (headSize & 7) != 0) blame('position')
  if (recipe.qkNorm && (headSize & 7) != 0) blame('qk_norm')
  if (recipe.softcap != 0 && recipe.softcap < 1) blame('softcap')
}

function readModel(): void {
  recipe.dense = choice('vocabulary', 'bytes,dense') == 1
  recipe.depth = integer('depth', 1, 8)
  recipe.width = integer('width', 16, 512)
  recipe.heads = integer('heads', 1, 16)
  recipe.context = integer('context', 16, 256)
  recipe.mlpRatio = integer('mlp_ratio', 1, 4)
  recipe.activation = choice('activation', 'gelu,relu2,swiglu')
  recipe.rms = choice('norm', 'layer,rms') == 1
  recipe.rope = choice('position', 'learned,rope') == 1
  recipe.qkNorm = choice('qk_norm', 'off,on') == 1
  recipe.softcap = real('softcap', 0, 100)
  recipe.untied = choice('head', 'tied,untied') == 1
  recipe.valueEmbeddings = choice('value_embeddings', 'off,on') == 1
  readPattern()
}

function readTraining(): void {
  recipe.batch = integer('batch', 1, BATCH_MAX)
  recipe.optimizer = choice('optimizer', 'adamw,muon,sgd')
  recipe.beta2 = real('beta2', 0.8, 0.9999)
  recipe.momentum = real('momentum', 0, 0.999)
  recipe.weightDecay = real('weight_decay', 0, 1)
  recipe.clip = real('clip', 0.01, 1000)
  schedule.kind = choice('schedule', SCHEDULES)
  schedule.lr = real('lr', 1e-5, 1)
  schedule.warmup = integer('warmup', 0, 10000)
  schedule.final = real('final', 0, 1)
  schedule.decay = real('decay', 0.01, 1)
}

// One to eight letters, L or S, up to the closing quote.
function readPattern(): void {
  const start = textAt('windows')
  let length: u32 = 0
  while (start != 0 && length <= PATTERN_MAX) {
    const letter = load<u8>(start + usize(length))
    if (letter != 0x4c && letter != 0x53) break
    length += 1
  }
  recipe.pattern = start
  recipe.patternLength = length
  if (length == 0 || length > PATTERN_MAX || load<u8>(start + usize(length)) != 0x22) blame('windows')
}

/** How many of the last positions, itself included, each position of a layer sees: all (L) or half the context (S). */
export function windowOf(layer: u32): u32 {
  const letter = load<u8>(recipe.pattern + usize(layer % recipe.patternLength))
  return letter == 0x53 ? (recipe.context + 1) >> 1 : recipe.context
}
