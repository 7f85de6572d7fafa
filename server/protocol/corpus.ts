import { z } from 'zod'
import { EngineClass, Exactness } from './engine.ts'
import { Limit, Recipe, Rung } from './job.ts'
import { PAGE_ROWS_MAX, SIMILAR_SHOWN_MAX } from './limits.ts'
import { CurvePoint, RunStatus } from './report.ts'
import { CampaignId, ExperimentId, ResultId, Sha256, Versioned, WireInstant, WorkUnitId } from './units.ts'

/** A published run, failures included: a line of an export, a row of the corpus. Its work unit names it for ever. */
export const CorpusRow = z.object({
  workUnitId: WorkUnitId,
  campaignId: CampaignId,
  experimentId: ExperimentId,
  resultId: ResultId,
  /** The work unit that computed it, when the run was known before and cost this campaign nothing; null: this one. */
  answeredFrom: WorkUnitId.nullable(),
  runKey: Sha256,
  kernel: z.string(),
  moduleSha256: Sha256,
  /** Metrics of different engines are compared with a warning at best. */
  engine: EngineClass,
  exactness: Exactness,
  data: z.string(),
  dataSha256: Sha256,
  recipe: Recipe,
  seed: z.int(),
  /** 3: a whole run; 0, 1, 2: its first 27th, ninth, third, which say less and are compared with nothing else. */
  rung: Rung,
  limit: Limit,
  status: z.string(),
  metricName: z.string().nullable(),
  metricValue: z.number().nullable(),
  fuelUsed: z.int(),
  digest: Sha256,
  artifactSha256: Sha256.nullable(),
  replicas: z.int(),
  publishedAt: WireInstant,
  counters: z.record(z.string(), z.number()),
  curve: z.array(CurvePoint),
})
export type CorpusRow = z.infer<typeof CorpusRow>

/** A row of the list: without its curve, which GET /api/v1/corpus/:id has. */
export const CorpusRun = CorpusRow.omit({ curve: true }).extend({
  /** A single result that waits for the next check of its host. */
  provisional: z.boolean(),
})
export type CorpusRun = z.infer<typeof CorpusRun>

/** GET /api/v1/corpus?… */
export const CorpusQuery = z
  .strictObject({
    limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
    after: WorkUnitId.optional(),
    kernel: Versioned.optional(),
    data: Versioned.optional(),
    campaign: CampaignId.optional(),
    status: RunStatus.optional(),
    /** 3 for whole runs only. */
    rung: z.coerce.number().pipe(Rung).optional(),
    since: z.iso.datetime().optional(),
    metric_min: z.coerce.number().optional(),
    metric_max: z.coerce.number().optional(),
  })
  .refine(
    ({ kernel, metric_min: min, metric_max: max }) => kernel !== undefined || (min ?? max) === undefined,
    {
      error: 'metrics of different kernels are not compared: name one',
      path: ['kernel'],
    },
  )
export type CorpusQuery = z.infer<typeof CorpusQuery>

/** GET /api/v1/corpus: published runs of everybody, newest first, failures included. What would lead waits for the verifier. */
export const CorpusList = z.object({
  runs: z.array(CorpusRun),
  /** Give it as `after` to read on; null at the end. A page may be short, or empty, before that. */
  nextAfter: WorkUnitId.nullable(),
})
export type CorpusList = z.infer<typeof CorpusList>

/** GET /api/v1/corpus/:id, by the id of the work unit */
export const CorpusView = z.object({
  /** Null: what was published was withdrawn. */
  run: CorpusRow.extend({ provisional: z.boolean() }).nullable(),
  /** What was published of it before, and was wrong. */
  retracted: z.array(
    z.object({
      ...{ revision: z.int(), digest: Sha256, status: z.string(), metricValue: z.number().nullable() },
      ...{ publishedAt: WireInstant, retractedAt: WireInstant },
    }),
  ),
})
export type CorpusView = z.infer<typeof CorpusView>

/** GET /api/v1/corpus/similar?kernel=&data=&recipe=&limit=, the recipe as JSON */
export const SimilarQuery = z.strictObject({
  kernel: Versioned,
  data: Versioned.optional(),
  recipe: z.string().max(4_000).default('{}'),
  limit: z.coerce.number().int().min(1).max(SIMILAR_SHOWN_MAX).default(10),
})

export const SimilarView = z.object({
  kernel: z.string(),
  /** Canonical: what was left out has the kernel's default. */
  recipe: Recipe,
  /** 0: it was tried; else the mean distance to the five nearest that were, up to 1. */
  novelty: z.number(),
  /** How many different recipes it was compared with. */
  lookedAt: z.int(),
  neighbours: z.array(
    z.object({
      /** Gower's: the mean over the parameters of the distance in the parameter's own scale, 0…1. */
      distance: z.number(),
      recipe: Recipe,
      /** The parameters that differ. */
      differs: z.array(z.string()),
      /** Whole runs that are final, each computation once, by what they are comparable in. */
      runs: z.array(
        z.object({
          ...{ data: z.string(), limit: Limit, n: z.int(), ok: z.int() },
          ...{ metricName: z.string().nullable(), mean: z.number().nullable() },
          /** One of them, to reproduce. */
          workUnitId: WorkUnitId,
        }),
      ),
    }),
  ),
})
export type SimilarView = z.infer<typeof SimilarView>
