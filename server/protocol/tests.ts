import { z } from 'zod'
import { Recipe } from './job.ts'
import { CampaignId, ExperimentId, WireInstant } from './units.ts'

export const TestState = z.enum(['running', 'promoted', 'rejected', 'undecided'])
export type TestState = z.infer<typeof TestState>

/** A mean never goes without its n. */
export const MeanView = z.object({
  n: z.int(),
  mean: z.number(),
  /** Half width of the 95 % confidence interval (Student t); null below two. */
  ci95: z.number().nullable(),
})
export type MeanView = z.infer<typeof MeanView>

/** A sequential test: is the challenger better than the incumbent, on seeds that screening never used? */
export const TestView = z.object({
  number: z.int(),
  state: TestState,
  incumbent: ExperimentId,
  challenger: ExperimentId,
  /** Seed indexes `firstSeed` … `firstSeed + pairsAsked − 1`, the same on both sides. */
  firstSeed: z.int(),
  pairsAsked: z.int(),
  /** By how much the challenger was better, by pair; null before the first. */
  gain: MeanView.nullable(),
  /** Log likelihood ratio of `effect` to 0, and the bounds at which it decides. */
  llr: z.number(),
  lower: z.number(),
  upper: z.number(),
  /** The share of alpha that this test may spend: alpha·6/(π²·number²). */
  alpha: z.number(),
  startedAt: WireInstant,
  decidedAt: WireInstant.nullable(),
})
export type TestView = z.infer<typeof TestView>

/** GET /api/v1/campaigns/:id/tests */
export const TestList = z.object({
  campaignId: CampaignId,
  /** What the campaign finds worth finding; null: it tests nothing. */
  effect: z.number().nullable(),
  /** The unchanged recipe, or who was promoted over it; null before it has runs. */
  incumbent: ExperimentId.nullable(),
  tests: z.array(TestView),
  /** Work units that tests may add, and have added. */
  budget: z.object({ units: z.int(), used: z.int() }),
})
export type TestList = z.infer<typeof TestList>

/** GET /api/v1/campaigns/:id/compare?a=&b= */
export const CompareView = z.object({
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  a: z.object({ experimentId: ExperimentId, recipe: Recipe, all: MeanView.nullable() }),
  b: z.object({ experimentId: ExperimentId, recipe: Recipe, all: MeanView.nullable() }),
  /** a − b on the seeds that both have; null without a common one. */
  difference: MeanView.nullable(),
  verdict: z.enum(['a_better', 'b_better', 'no_difference_shown', 'too_few_pairs']),
})
export type CompareView = z.infer<typeof CompareView>
