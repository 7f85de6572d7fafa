import type { Recipe } from '#protocol/job.ts'
import { NUMBERS } from './training.ts'

const BETA1 = 0.9
const EPSILON = 1e-8

/**
 * The numbers of update `update` (from 0) of `planned`, in the order of NUMBERS: learning rate, decay and AdamW's corrections
 * as in assembly/SPEC.md, in f64. AdamW's rate and ε are divided by its second correction, so that the graph need not.
 */
export function numbersOf(recipe: Recipe, update: number, planned: number): readonly number[] {
  const lr = learningRate(recipe, update, planned)
  const correction = Math.sqrt(1 - Number(recipe.beta2) ** (update + 1))
  const numbers: Readonly<Record<(typeof NUMBERS)[number], number>> = {
    rate: (lr * correction) / (1 - BETA1 ** (update + 1)),
    epsilon: EPSILON * correction,
    keep: 1 - lr * Number(recipe.weight_decay),
    lr,
  }
  return NUMBERS.map(name => numbers[name])
}

/** Of update `update`, from 0. */
export function learningRate(recipe: Recipe, update: number, planned: number): number {
  const [lr, warmup, final] = [Number(recipe.lr), Number(recipe.warmup), Number(recipe.final)]
  if (update < warmup) return (lr * (update + 1)) / (warmup + 1)
  const p = planned > warmup ? (update - warmup) / (planned - warmup) : 0
  return lr * (final + (1 - final) * left(recipe, p))
}

/** How much of the learning rate is left, from 1 to 0, at share `p` of what is behind the warm-up. */
function left(recipe: Recipe, p: number): number {
  switch (recipe.schedule) {
    case 'cosine':
      return 0.5 * (1 + Math.cos(Math.PI * p))
    case 'linear':
      return 1 - p
    case 'wsd': {
      const decay = Number(recipe.decay)
      return p < 1 - decay ? 1 : (1 - p) / decay
    }
    default:
      return 1
  }
}
