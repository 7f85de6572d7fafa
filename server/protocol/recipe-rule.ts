import { z } from 'zod'
import { evaluate, Formula, namesIn } from './formula.ts'
import type { Recipe } from './job.ts'
import { line } from './text.ts'

/** A formula that is not 0, with the sentence to say when it is (after the names and values of the parameters `of`). */
export const RequireRule = z.strictObject({
  require: Formula,
  of: z.array(z.string()).min(1).max(8),
  because: line(300),
})

/** A relation between parameters that every recipe must keep; `divides: [a, b]`: parameter a divides parameter b. */
export const RecipeRule = z.union([
  z.strictObject({ divides: z.tuple([z.string(), z.string()]) }),
  RequireRule,
])
export type RecipeRule = z.infer<typeof RecipeRule>

/** Which of the rules a recipe breaks first, as a sentence with its values; undefined when it keeps all. */
export function brokenRule(rules: readonly RecipeRule[], recipe: Recipe): string | undefined {
  for (const rule of rules) {
    const reason = brokenBy(rule, recipe)
    if (reason !== undefined) return reason
  }
  return undefined
}

function brokenBy(rule: RecipeRule, recipe: Recipe): string | undefined {
  if ('require' in rule) {
    if (evaluate(rule.require, recipe) !== 0) return undefined
    return `${rule.of.map(name => `${name} ${recipe[name]}`).join(', ')}: ${rule.because}`
  }
  const [a, b] = rule.divides.map(name => recipe[name])
  if (typeof a === 'number' && typeof b === 'number' && b % a === 0) return undefined
  return `${rule.divides[0]}: ${a} does not divide ${rule.divides[1]} ${b}`
}

/** Every name of a parameter in a rule. */
export const namesOfRule = (rule: RecipeRule): readonly string[] =>
  'require' in rule ? [...namesIn(rule.require), ...rule.of] : rule.divides
