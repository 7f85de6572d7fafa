import { z } from 'zod'
import { ANALYSIS_POINTS_MAX } from './limits.ts'
import { MeanView } from './tests.ts'
import { CampaignId, ExperimentId, ResultId, WireInstant } from './units.ts'

/** The parts of an analysis, in the order in which they are read. */
export const ANALYSIS_PARTS = [
  'best-so-far',
  'importance',
  'slices',
  'contour',
  'curves',
  'pareto',
  'residuals',
  'points',
] as const
export const AnalysisPart = z.enum(ANALYSIS_PARTS)
export type AnalysisPart = z.infer<typeof AnalysisPart>

const Name = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/)

/** The query of GET /api/v1/campaigns/:id/analysis. */
export const AnalysisQuery = z.strictObject({
  /** Separated by commas; without it all but `points`. */
  part: z
    .string()
    .max(200)
    .transform(text => text.split(','))
    .pipe(z.array(AnalysisPart).min(1))
    .optional(),
  /** Parameters of the contour; without them the two that matter most. */
  x: Name.optional(),
  y: Name.optional(),
  /** How many `points`. */
  limit: z.coerce.number().int().min(1).max(ANALYSIS_POINTS_MAX).optional(),
})

const Value = z.union([z.string(), z.number()])

/** Of the experiments in a bin. Their values are means over the seeds of screening; all null when n is 0. */
const Bin = z.object({
  value: Value, // the value, or the middle of the bin
  n: z.int(),
  best: z.number().nullable(),
  mean: z.number().nullable(),
  /** Half width of the 95 % confidence interval of the mean over experiments (Student t); null below two. */
  ci95: z.number().nullable(),
})

const Cell = z.object({
  n: z.int(),
  mean: z.number().nullable(),
  best: z.number().nullable(),
  /** Interpolated from the cells around it; null where nothing is near. */
  estimate: z.number().nullable(),
})

const parts = {
  /** Where the best value fell, in the order in which experiments finished. */
  bestSoFar: z.object({
    method: z.string(),
    n: z.int(),
    steps: z.array(
      z.object({
        finished: z.int(),
        at: WireInstant,
        experimentId: ExperimentId,
        value: z.number(),
        ci95: z.number().nullable(), // over seeds
        n: z.int(),
      }),
    ),
    leftOut: z.int(), // steps, thinned evenly
    plateau: z.object({ isFlat: z.boolean(), window: z.int(), gain: z.number().nullable() }).nullable(),
  }),
  /** The shares add up to 1; null while fewer than 20 experiments have finished. */
  importance: z.object({
    method: z.string(),
    n: z.int(),
    parameters: z.array(z.object({ name: z.string(), share: z.number() })).nullable(),
  }),
  slices: z.object({
    method: z.string(),
    n: z.int(),
    parameters: z.array(z.object({ name: z.string(), scale: z.string(), bins: z.array(Bin) })),
  }),
  /** Null in a space of one dimension. `cells` row by row in y. */
  contour: z
    .object({
      method: z.string(),
      n: z.int(),
      x: z.object({ name: z.string(), scale: z.string(), values: z.array(Value) }),
      y: z.object({ name: z.string(), scale: z.string(), values: z.array(Value) }),
      cells: z.array(Cell),
    })
    .nullable(),
  /** Learning curves of the best seed of some experiments: the best ones, and others evenly over the ranks. */
  curves: z.object({
    method: z.string(),
    n: z.int(), // experiments that have one
    curves: z.array(
      z.object({
        experimentId: ExperimentId,
        resultId: ResultId,
        rank: z.int(),
        value: z.number(),
        points: z.array(
          z.object({
            update: z.int(),
            fuel: z.number(),
            train: z.number().nullable(),
            val: z.number().nullable(),
          }),
        ),
      }),
    ),
  }),
  /** Experiments that no other beats or equals in every respect: metric, parameters, fuel. */
  pareto: z.object({
    method: z.string(),
    n: z.int(),
    rows: z.array(
      z.object({
        experimentId: ExperimentId,
        resultId: ResultId.nullable(),
        value: MeanView,
        parameters: z.number().nullable(),
        fuel: z.number().nullable(),
      }),
    ),
    leftOut: z.int(),
  }),
  /** What is left of the values when experiments and seeds are accounted for. */
  residuals: z.object({
    method: z.string(),
    experiments: z.int(),
    leftOut: z.int(), // experiments, thinned evenly
    n: z.int(), // runs
    sd: z.number().nullable(),
    /** Of a paired difference: √2 · sd. */
    pairedSd: z.number().nullable(),
    bins: z.array(z.object({ from: z.number(), to: z.number(), n: z.int() })),
    largest: z.array(z.object({ experimentId: ExperimentId, seedIndex: z.int(), residual: z.number() })),
  }),
  /** Finished experiments in columns, for plots of all of them. */
  points: z.object({
    method: z.string(),
    leftOut: z.int(),
    experimentId: z.array(ExperimentId),
    value: z.array(z.number()),
    n: z.array(z.int()),
    /** By name; null where the parameter is inactive. */
    parameters: z.record(z.string(), z.array(Value.nullable())),
  }),
}

/** GET /api/v1/campaigns/:id/analysis: of what is verified, final and of whole runs only. */
export const AnalysisView = z.object({
  campaignId: CampaignId,
  revision: z.int(),
  /** As of when: the analysis of a large campaign is kept for some seconds. */
  at: WireInstant,
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  seeds: z.int(), // of screening; a value is the mean over them
  experiments: z.object({
    created: z.int(),
    finished: z.int(),
    /** No value yet: a run is open, under embargo or provisional. */
    pending: z.int(),
    /** Stopped early, or on the way: no whole run. */
    partial: z.int(),
    failed: z.int(),
    diverged: z.int(),
    /** Left out until the verifier has seen every run behind them. */
    withheld: z.int(),
  }),
  bestSoFar: parts.bestSoFar.optional(),
  importance: parts.importance.optional(),
  slices: parts.slices.optional(),
  contour: parts.contour.optional(),
  curves: parts.curves.optional(),
  pareto: parts.pareto.optional(),
  residuals: parts.residuals.optional(),
  points: parts.points.optional(),
})
export type AnalysisView = z.infer<typeof AnalysisView>

/** One part of an analysis. */
export type AnalysisOf<Part extends keyof typeof parts> = z.infer<(typeof parts)[Part]>
