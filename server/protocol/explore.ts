import { z } from 'zod'
import { conditionsOf, groupsOf } from './explore-words.ts'
import { Recipe, Rung } from './job.ts'
import { EXPLORE_GROUPS_MAX, EXPLORE_ROWS_MAX, PAGE_ROWS_MAX } from './limits.ts'
import { RunStatus } from './report.ts'
import { CampaignId, ExperimentId, ResultId, Versioned, WireInstant, WorkUnitId } from './units.ts'

const said = <T>(parse: (text: string) => readonly T[] | { readonly fault: string }) =>
  z
    .string()
    .max(1_000)
    .default('')
    .transform((text, context): readonly T[] => {
      const parsed = parse(text)
      if (!('fault' in parsed)) return parsed
      context.addIssue({ code: 'custom', message: parsed.fault })
      return z.NEVER
    })

/** GET /api/v1/corpus/explore?kernel=&data=&campaign=&status=&rung=&where=&group=&limit=&after= */
export const ExploreQuery = z.strictObject({
  /** Metrics of different kernels are compared with nothing. */
  kernel: Versioned,
  data: Versioned.optional(),
  campaign: CampaignId.optional(),
  status: RunStatus.optional(),
  /** 3: whole runs. */
  rung: z.coerce.number().pipe(Rung).default(3),
  where: said(conditionsOf),
  /** None: the runs themselves. */
  group: said(groupsOf),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(200),
  /** Of the runs: the last one of the slice before. */
  after: WorkUnitId.optional(),
})
export type ExploreQuery = z.infer<typeof ExploreQuery>

const Key = z.union([z.string(), z.number(), z.null()])

export const ExploreView = z.object({
  kernel: z.string(),
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  /** The parameters of the kernel, and what else a condition or a group may name. */
  fields: z.array(z.string()),
  /** How many runs fit; counted up to the most that are looked at, of which the newest are taken. */
  matched: z.int().max(EXPLORE_ROWS_MAX),
  /** More fit than were looked at. */
  truncated: z.boolean(),
  /** With `group`: by its fields, of a bin its middle. Only runs with a metric count in median to max; `n` counts all. */
  groups: z
    .array(
      z.object({
        key: z.array(Key),
        n: z.int(),
        ok: z.int(),
        median: z.number().nullable(),
        mean: z.number().nullable(),
        sd: z.number().nullable(),
        min: z.number().nullable(),
        max: z.number().nullable(),
      }),
    )
    .max(EXPLORE_GROUPS_MAX)
    .nullable(),
  /** Without: the runs, newest first. */
  runs: z
    .array(
      z.object({
        workUnitId: WorkUnitId,
        experimentId: ExperimentId,
        campaignId: CampaignId,
        resultId: ResultId,
        recipe: Recipe,
        seed: z.int(),
        status: z.string(),
        metric: z.number().nullable(),
        fuelUsed: z.int(),
        data: z.string(),
        publishedAt: WireInstant,
      }),
    )
    .nullable(),
  nextAfter: WorkUnitId.nullable(),
})
export type ExploreView = z.infer<typeof ExploreView>
