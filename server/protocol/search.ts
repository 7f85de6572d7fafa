import { z } from 'zod'
import { Recipe } from './job.ts'
import { PAGE_ROWS_MAX } from './limits.ts'
import { Proposer } from './space.ts'
import { ExperimentId } from './units.ts'

/** What an experiment tried: the active parameters of the space only; the rest is the same in every run. */
const Tried = z.object({ ordinal: z.int(), experimentId: ExperimentId, values: Recipe })

/** The query of GET /api/v1/campaigns/:id/search. */
export const SearchQuery = z.strictObject({
  /** Rows of each list; without it so few that the whole fits 2,000 tokens. */
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).optional(),
})

/** What the sampler of a campaign was told so far, small enough to be read at once by whoever proposes beside it. */
export const SearchView = z.object({
  sampler: z.string(),
  metric: z.string(),
  goal: z.enum(['minimize', 'maximize']),
  /** Experiments; `created` is the sum of the five after it. A value is the mean over the seeds, public and perhaps provisional. */
  experiments: z.object({
    planned: z.int(),
    created: z.int(),
    pending: z.int(),
    partial: z.int(),
    finished: z.int(),
    failed: z.int(),
    diverged: z.int(),
    outside: z.int(), // of those created, how many were proposed from outside
  }),
  /** Where several propose: what came of the experiments of each. */
  proposers: z
    .array(
      z.object({
        name: Proposer,
        tried: z.int(), // with an outcome
        pending: z.int(),
        promoted: z.int(), // of those tried, how many passed a sequential test
        /** The chance to be asked first for the next experiment; together 1. Who has none to give leaves it to the others. */
        share: z.number(),
      }),
    )
    .optional(),
  /** Proposals from outside that wait for the turn of `propose`, where it is one of several. */
  waiting: z.int().optional(),
  /** Finished ones, best first. */
  best: z.array(Tried.extend({ value: z.number() })),
  parameters: z.array(
    z.object({
      name: z.string(),
      /** The share of its values, or of equal parts of its range, in which something was tried. */
      covered: z.number(),
      /** Ends of the range, or the values most frequent first, in the best quarter of what finished. */
      bestQuarter: z.array(z.union([z.number(), z.string()])),
      /** PED-ANOVA; the shares add up to 1; null while too few have finished. */
      importance: z.number().nullable(),
    }),
  ),
  /** Those without an outcome, newest first. */
  pending: z.array(Tried),
  /** Those that gave no value, newest first. */
  failures: z.array(Tried.extend({ outcome: z.enum(['failed', 'diverged']) })),
})
export type SearchView = z.infer<typeof SearchView>
