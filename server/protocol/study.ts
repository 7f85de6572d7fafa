import { z } from 'zod'
import { EngineClass } from './engine.ts'
import { LAST_RUNG, Limit, Recipe, Rung } from './job.ts'
import { QUORUM_MAX, SEED_MAX, STUDY_ORIGINALS_MAX } from './limits.ts'
import { RunStatus } from './report.ts'
import { ResultId, Sha256, WorkUnitId } from './units.ts'

/** A line of an export, as far as it says what was computed and what came of it. */
export const Original = z.strictObject({
  resultId: ResultId.optional(),
  recipe: Recipe,
  seed: z.int().min(0).max(SEED_MAX),
  limit: Limit,
  rung: Rung.default(LAST_RUNG),
  runKey: Sha256,
  status: RunStatus,
  metricValue: z.number().nullable(),
  digest: Sha256,
})
export type Original = z.infer<typeof Original>

/** The part of a campaign file of type `replicate`: what is computed again, and by how many. */
export const StudyFile = z.strictObject({
  /** Published results of this server by their ids, or lines of an export of any: the claims that are put to the test. */
  originals: z
    .array(z.union([ResultId, Original]))
    .min(1)
    .max(STUDY_ORIGINALS_MAX),
  /** Of each original in each engine class, by hosts of different owners, none of whom computed it before. */
  runs: z.int().min(2).max(QUORUM_MAX).default(2),
  classes: z.array(EngineClass).min(1).max(EngineClass.options.length).default(['wasm']),
})
export type StudyFile = z.infer<typeof StudyFile>

/** The parts of a campaign file that a study goes with, and those that it does not. */
interface Parts {
  readonly type?: 'search' | 'replicate' | undefined
  readonly study?: StudyFile | undefined
  readonly space: object
  readonly recipe: object
  readonly budget: { readonly runs: number }
  readonly constraints?: unknown
  readonly stop?: unknown
  readonly rungs?: unknown
  readonly agent?: unknown
  readonly interaction?: unknown
}

/** Why the parts of a campaign file do not go together, after the field; undefined when they do. */
export function studyMismatch(file: Parts): readonly [field: string, reason: string] | undefined {
  const { type = 'search', study, space, budget } = file
  const dimensions = Object.keys(space).length
  if (type === 'search') {
    if (study !== undefined) return ['study', 'belongs to type: replicate']
    return dimensions === 0 ? ['space', 'a space has at least one dimension'] : undefined
  }
  if (study === undefined) return ['study', 'type: replicate needs one']
  if (dimensions > 0) return ['space', 'a study searches nothing: write space: {}']
  const foreign = (['constraints', 'stop', 'rungs', 'agent', 'interaction'] as const).find(
    name => file[name] !== undefined,
  )
  if (foreign !== undefined) return [foreign, 'a study computes what its originals say, and nothing else']
  if (Object.keys(file.recipe).length > 0)
    return ['recipe', 'the recipes of a study are those of its originals']
  if (budget.runs === study.originals.length) return undefined
  return ['budget.runs', `the study has ${study.originals.length} originals`]
}

/** `waiting`: not published yet. `failed`: no host could compute it. */
export const Agreement = z.enum(['agrees', 'differs', 'waiting', 'failed'])
export type Agreement = z.infer<typeof Agreement>

const Outcome = z.object({ digest: Sha256, status: z.string(), metricValue: z.number().nullable() })

/** GET /api/v1/campaigns/:id/agreement: the originals of a study, and whether they came out again. */
export const AgreementView = z.object({
  /** Runs of each original in each engine class. */
  runs: z.int(),
  summary: z.object({
    ...{ originals: z.int(), agrees: z.int(), differs: z.int(), waiting: z.int(), failed: z.int() },
  }),
  rows: z.array(
    z.object({
      /** Its place in the file. */
      number: z.int(),
      resultId: ResultId.nullable(),
      ...{ recipe: Recipe, seed: z.int(), rung: Rung, runKey: Sha256 },
      claimed: Outcome,
      classes: z.array(
        z.object({
          engineClass: EngineClass,
          /** `digest`: equal to the last bit. `interval`: the claim lies where 95 % of further runs would. */
          by: z.enum(['digest', 'interval']),
          agreement: Agreement,
          workUnitId: WorkUnitId.nullable(),
          /** What the runs came to; null until they are published. */
          found: Outcome.nullable(),
          /** Results of volunteers that are equal to `found`, and that are not. */
          ...{ equal: z.int(), unequal: z.int() },
          /** Of classes with a tolerance: mean of the runs and half width of its 95 % confidence interval. */
          metric: z.object({ n: z.int(), mean: z.number(), ci95: z.number().nullable() }).nullable(),
        }),
      ),
    }),
  ),
})
export type AgreementView = z.infer<typeof AgreementView>
