import { z } from 'zod'
import { PAIRS_MAX, PAIRS_MIN } from './limits.ts'
import { MeanView } from './tests.ts'
import { ExperimentId } from './units.ts'

const name = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/)

/** The question "does the best `best` depend on `by`?": once all is tried the server's agent runs fresh seeds until it is answered. */
export const InteractionFile = z
  .strictObject({
    best: name,
    by: name,
    /** What exchanging the choices of the two outermost levels of `by` must cost, both together, to be worth knowing. */
    effect: z.number().positive(),
    alpha: z.number().gt(0).max(0.5).default(0.05),
    beta: z.number().gt(0).max(0.5).default(0.05),
    /** Fresh runs that the answer may take, four for each seed; reserved with the rest. */
    runs: z
      .int()
      .min(4 * PAIRS_MIN)
      .max(4 * PAIRS_MAX)
      .default(4 * PAIRS_MAX),
  })
  .refine(({ best, by }) => best !== by, { error: 'a parameter does not depend on itself', path: ['by'] })
export type InteractionFile = z.infer<typeof InteractionFile>

/**
 * `same_choice`: both levels choose the same value; `not_measured`: there is nothing to compare, `why` says what is missing;
 * `undecided`: its seeds are spent.
 */
export const InteractionState = z.enum([
  'running',
  'depends',
  'no_dependence',
  'undecided',
  'same_choice',
  'not_measured',
])
export type InteractionState = z.infer<typeof InteractionState>

const Value = z.union([z.string(), z.number(), z.boolean()])

/** GET /api/v1/campaigns/:id/interaction?best=&by=: which value of one parameter is best, and whether that depends on another. */
export const InteractionView = z.object({
  best: z.string(),
  by: z.string(),
  /** The best value at each level, with the mean over all seeds of screening. */
  levels: z.array(z.object({ by: Value, best: Value, experimentId: ExperimentId, all: MeanView })),
  /**
   * How much worse the choices of the two outermost levels are at each other's, summed, by seed: chosen on even seed indexes,
   * compared on odd ones. Null where both choose the same, or a cell has no runs.
   */
  contrast: MeanView.nullable(),
  verdict: z.enum(['depends', 'no_dependence_shown', 'same_choice', 'not_measured']),
  /** The sequential test on fresh seeds, where the file asks this question and it was begun; null else. */
  test: z
    .object({
      state: InteractionState,
      why: z.string().nullable(),
      /** The choice of the lowest level there, that of the highest there, the choice of the highest at the lowest, and the reverse. */
      cells: z.array(ExperimentId),
      /** What exchanging the choices cost, by fresh seed. */
      cost: MeanView.nullable(),
      effect: z.number(),
      firstSeed: z.int(),
      seedsAsked: z.int(),
      /** Log likelihood ratio of `effect` to 0, and the bounds at which it decides. */
      llr: z.number(),
      lower: z.number(),
      upper: z.number(),
    })
    .nullable(),
})
export type InteractionView = z.infer<typeof InteractionView>
