import { z } from 'zod'
import { EngineClass } from './engine.ts'
import { Recipe, Rung } from './job.ts'
import { PROPOSED_PER_CALL_MAX } from './limits.ts'
import { NoteView } from './notes.ts'
import { CurvePoint } from './report.ts'
import { Proposer } from './space.ts'
import { MeanView, TestState } from './tests.ts'
import { CampaignId, ExperimentId, HostId, ResultId, WireInstant, WorkUnitId } from './units.ts'

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

/** A run on one seed, or the part of one up to its rung. */
export const ExperimentRun = z.object({
  workUnitId: WorkUnitId,
  seedIndex: z.int(),
  seed: z.int(),
  rung: Rung,
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  failure: z.string().nullable(),
  published: z.boolean(),
  provisional: z.boolean(),
  /** How it ended, what it reached and how it learnt; null and empty before it is public. */
  status: z.string().nullable(),
  value: z.number().nullable(),
  curve: z.array(CurvePoint),
  fuelUsed: z.int().nullable(),
  /** The result that stands for it. */
  resultId: ResultId.nullable(),
  /** Hosts, digests and credit are told once the run is public. */
  results: z.array(
    z.object({
      id: ResultId,
      kind: z.string(),
      state: z.string(),
      outcome: z.string().nullable(),
      verdict: z.string().nullable(),
      late: z.boolean(),
      fraction: z.number(),
      engineClass: EngineClass,
      host: z.object({ id: HostId, name: z.string(), client: z.string() }).nullable(),
      /** From the lease to the report. */
      tookMs: z.number().nullable(),
      digest: z.string().nullable(),
      grantedMilli: z.int(),
      vested: z.boolean(),
    }),
  ),
})
export type ExperimentRun = z.infer<typeof ExperimentRun>

/** GET /api/v1/experiments/:id: one configuration, where it came from, and every result of it. */
export const ExperimentView = z.object({
  experimentId: ExperimentId,
  campaign: z.object({ id: CampaignId, title: z.string(), kernel: z.string(), data: z.string() }),
  metric: z.object({ name: z.string(), goal: z.enum(['minimize', 'maximize']) }),
  recipe: Recipe,
  /** The campaign's unchanged recipe. */
  baseline: z.boolean(),
  /** How many the campaign had proposed before it, and under which revision of its file. */
  ordinal: z.int(),
  revision: z.int(),
  /** Null: the unchanged recipe, and what a study repeats. */
  proposer: Proposer.nullable(),
  createdAt: WireInstant,
  /** Over its whole public runs, those of tests among them; null before the first. */
  value: MeanView.nullable(),
  /** On the leaderboard of its campaign. */
  rank: z.object({ place: z.int(), of: z.int() }).nullable(),
  /** It may lead, and the verifier has not seen every run behind it: what it reached is told after that. */
  withheld: z.boolean(),
  /** From the unchanged recipe through what was promoted over it to this one, which is the last. */
  lineage: z.array(z.object({ experimentId: ExperimentId, recipe: Recipe })),
  /** Sequential tests that it was a side of, newest first, with the other side. */
  tests: z.array(
    z.object({
      number: z.int(),
      state: TestState,
      side: z.enum(['challenger', 'incumbent']),
      other: z.object({ experimentId: ExperimentId, recipe: Recipe }),
      gain: MeanView.nullable(),
    }),
  ),
  /** By seed and rung; how many more there are. */
  runs: z.array(ExperimentRun),
  runsLeftOut: z.int(),
  /** The newest that rest on it or on a result of it. */
  notes: z.array(NoteView),
})
export type ExperimentView = z.infer<typeof ExperimentView>
