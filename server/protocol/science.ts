import { z } from 'zod'
import { Limit, Recipe } from './job.ts'
import { SCIENCE_BOARDS_MAX, SCIENCE_ROWS_MAX } from './limits.ts'
import { CampaignId, ExperimentId, ResultId, Sha256, Versioned, WireInstant } from './units.ts'

/** Names what is comparable: the first 16 hex digits of the SHA-256 of kernel, data, limit and engine class. */
export const BoardId = z.string().regex(/^[0-9a-f]{16}$/)
export type BoardId = z.infer<typeof BoardId>

/** GET /api/v1/science?…, `limit` counts boards, `rows` those of each. */
export const ScienceQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(SCIENCE_BOARDS_MAX).default(10),
  rows: z.coerce.number().int().min(1).max(SCIENCE_ROWS_MAX).default(10),
  after: BoardId.optional(),
  board: BoardId.optional(),
  kernel: Versioned.optional(),
  data: Versioned.optional(),
})

const ScienceRow = z.object({
  /** Counted from the best; null: an unchanged recipe that stands below the rows asked for. */
  place: z.int().nullable(),
  recipe: Recipe,
  /** Some campaign's unchanged recipe: what there was before anything was tried. */
  baseline: z.boolean(),
  /** Different seeds with a metric, over all campaigns. */
  n: z.int(),
  mean: z.number(),
  /** Half width of the 95 % confidence interval (Student t); null below two seeds. */
  ci95: z.number().nullable(),
  /** Seeds without a metric. Who has any ranks below all who have none. */
  diverged: z.int(),
  /** Every run behind the row was computed again by the verifier, with the same digest. */
  rerun: z.boolean(),
  /** Where it was published first, and by whose proposal. */
  found: z.object({
    at: WireInstant,
    campaignId: CampaignId,
    title: z.string(),
    experimentId: ExperimentId,
    /** The account whose campaign it was; null once that was deleted. */
    owner: z.string().nullable(),
    /** The account that proposed this recipe; null: the campaign's sampler, or its plan. */
    proposer: z.string().nullable(),
  }),
  campaigns: z.int(),
  /** Its best seed, to run again: `xeenet repro`. */
  resultId: ResultId,
})
export type ScienceRow = z.infer<typeof ScienceRow>

/** The best configurations of one kernel on one data set within one budget in one engine class: comparable runs only. */
const ScienceBoard = z.object({
  id: BoardId,
  kernel: z.string(),
  moduleSha256: Sha256,
  data: z.string(),
  dataSha256: Sha256,
  limit: Limit,
  engineClass: z.string(),
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  rows: z.array(ScienceRow),
  /** Rows that would be among the first, and are left out until the verifier has seen every run behind them. */
  waiting: z.int(),
  /** What models that only count, and a compressor, reach on the same data. */
  baselines: z.array(z.object({ name: z.string(), value: z.number() })),
  /** How many of the best runs were looked at. `complete` is false when that was not enough to rank all these rows for sure. */
  lookedAt: z.int(),
  complete: z.boolean(),
})
export type ScienceBoard = z.infer<typeof ScienceBoard>

/** GET /api/v1/science: whole runs that are final and public, over all campaigns. */
export const ScienceList = z.object({
  boards: z.array(ScienceBoard),
  /** Give it as `after` to read on; null at the end. */
  nextAfter: BoardId.nullable(),
})
export type ScienceList = z.infer<typeof ScienceList>
