import { z } from 'zod'
import { Recipe } from './job.ts'
import { PROPOSED_PER_CALL_MAX } from './limits.ts'

/** POST /api/v1/campaigns/:id/experiments: what somebody outside, a person or an agent, wants to have tried. */
export const ProposeBody = z.strictObject({
  /** What differs from the campaign's recipe; what is left out has the kernel's default. */
  recipes: z.array(Recipe).min(1).max(PROPOSED_PER_CALL_MAX),
  /** Say what would happen, and change nothing. */
  dryRun: z.boolean().default(false),
})
export type ProposeBody = z.infer<typeof ProposeBody>

export const ProposeReply = z.object({
  /**
   * One answer a recipe, in order. A recipe that the campaign has already is `known`: repeating a call changes nothing. Where the
   * file names `propose` in `sampler.beside` it is `waiting` for its turn, and is there under its id from then on.
   */
  experiments: z.array(
    z.object({
      outcome: z.enum(['created', 'waiting', 'known', 'refused']),
      experimentId: z.string().nullable(), // null: refused, or a dry run
      recipe: Recipe, // canonical, or as it came if it was refused
      detail: z.string().optional(), // of a refusal
    }),
  ),
  /** How many experiments the campaign may still create; what waits is not taken off. */
  remaining: z.int(),
  dryRun: z.boolean(),
})
export type ProposeReply = z.infer<typeof ProposeReply>
