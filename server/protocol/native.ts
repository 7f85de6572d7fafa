import { z } from 'zod'
import { NativeClass } from './engine.ts'
import { evaluate, Formula } from './formula.ts'
import type { Recipe } from './job.ts'
import { FUEL_MAX, UPDATES_MAX } from './limits.ts'
import { brokenRule, RequireRule } from './recipe-rule.ts'

/** How far two honest runs of one job on different devices of a class may lie apart. */
export const Tolerance = z.strictObject({
  /** Of the metric, in its unit. */
  metric: z.number().positive(),
  /** Of the training loss at each point of the curve, in the metric's unit. */
  curve: z.number().positive(),
  /** Of the final weights: their distance as fingerprints tell it, over their norm. */
  fingerprint: z.number().positive().max(1),
})
export type Tolerance = z.infer<typeof Tolerance>

/** How far two runs lie apart, in the same units. */
export const Distance = z.strictObject({
  metric: z.number().min(0),
  curve: z.number().min(0),
  fingerprint: z.number().min(0),
})
export type Distance = z.infer<typeof Distance>

/** What a manifest says of a kernel that ONNX Runtime can train as well. */
export const NativeForm = z.strictObject({
  engines: z.array(NativeClass).min(1).max(NativeClass.options.length),
  /** Closed-form training FLOPs of one update. Each definition may use those before it. */
  flops: z.strictObject({
    define: z
      .array(z.tuple([z.string().max(40), Formula]))
      .max(32)
      .default([]),
    update: Formula,
  }),
  /** Nothing that is learnt about a class makes its bounds looser than these. */
  tolerance: Tolerance,
  /**
   * What a recipe has to keep so that honest runs of it stay within the tolerance. One that breaks a rule carries rounding too far,
   * and is computed in exact classes only.
   */
  calm: z.array(RequireRule).max(8).default([]),
})
export type NativeForm = z.infer<typeof NativeForm>

/** Why honest devices would not agree on a recipe, with its values; undefined when they do. */
export const restlessness = ({ calm }: Pick<NativeForm, 'calm'>, recipe: Recipe): string | undefined =>
  brokenRule(calm, recipe)

/** Closed-form training FLOPs of one update of a recipe, whole and at least 1. */
export function flopsOfUpdate({ flops }: Pick<NativeForm, 'flops'>, recipe: Recipe): number {
  const values: Record<string, unknown> = { ...recipe }
  for (const [name, formula] of flops.define) values[name] = evaluate(formula, values)
  return Math.max(1, Math.min(FUEL_MAX, Math.ceil(evaluate(flops.update, values))))
}

/** The updates that fit into a budget, at least one; and what they come to. */
export function updatesWithin(
  native: Pick<NativeForm, 'flops'>,
  { recipe, flops, updatesMax }: { recipe: Recipe; flops: number; updatesMax: number },
): { readonly updates: number; readonly flops: number } {
  const each = flopsOfUpdate(native, recipe)
  const updates = Math.max(1, Math.min(UPDATES_MAX, updatesMax, Math.floor(flops / each)))
  return { updates, flops: Math.min(FUEL_MAX, updates * each) }
}

/** What was done of a run's FLOPs after some of its updates: what it is paid by, and what a native report calls `fuelUsed`. */
export const flopsMade = (flops: number, made: number, planned: number): number =>
  Number((BigInt(flops) * BigInt(Math.min(made, planned))) / BigInt(planned))
