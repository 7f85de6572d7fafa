import { z } from 'zod'
import { MeanView } from './tests.ts'
import { ExperimentId } from './units.ts'

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
})
export type InteractionView = z.infer<typeof InteractionView>
