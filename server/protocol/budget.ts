import { z } from 'zod'
import { EngineClass } from './engine.ts'
import { EXPERIMENTS_PER_CAMPAIGN_MAX, FUEL_MAX, FUEL_MIN, UPDATES_MAX } from './limits.ts'

/** What bounds each run of a campaign: instructions, parameter updates, or closed-form training FLOPs. */
const LIMITS = ['fuel_per_run', 'updates_per_run', 'flops_per_run'] as const

/** The part of a campaign file that says how much it computes. */
export const BudgetFile = z
  .strictObject({
    fuel_per_run: z.int().min(FUEL_MIN).max(FUEL_MAX).optional(),
    updates_per_run: z.int().min(1).max(UPDATES_MAX).optional(),
    /** Each recipe makes as many updates as fit: the same budget on every engine. For kernels that state their FLOPs. */
    flops_per_run: z.int().min(FUEL_MIN).max(FUEL_MAX).optional(),
    /** How many experiments. */
    runs: z.int().min(1).max(EXPERIMENTS_PER_CAMPAIGN_MAX),
    /** The most this campaign may reserve. */
    credits: z.number().positive().max(1e9),
  })
  .refine(budget => LIMITS.filter(name => budget[name] !== undefined).length === 1, {
    error: 'give either fuel_per_run or updates_per_run, or flops_per_run',
    path: ['fuel_per_run'],
  })
export type BudgetFile = z.infer<typeof BudgetFile>

/** Engine classes that a campaign's work units may be computed in, each unit in one of them. */
export const EnginesFile = z
  .array(EngineClass)
  .min(1)
  .max(EngineClass.options.length)
  .refine(classes => new Set(classes).size === classes.length, 'each class once')

/** The classes of a campaign: what its file says, else the kernel itself. */
export const enginesOf = ({
  engines,
}: {
  readonly engines?: readonly EngineClass[] | undefined
}): readonly EngineClass[] => engines ?? ['wasm']
