import { z } from 'zod'
import { canonicalJson, sha256Text } from './canonical.ts'
import type { EngineClass } from './engine.ts'
import { FUEL_MAX, FUEL_MIN, MARKS, RUNGS_OF_RUN, SEED_MAX, UPDATES_MAX } from './limits.ts'
import { type Sha256, Versioned } from './units.ts'

/** A configuration of a kernel: flat, canonical (defaults filled in, floats at six significant digits). */
export const Recipe = z.record(z.string().max(40), z.union([z.string().max(100), z.number(), z.boolean()]))
export type Recipe = z.infer<typeof Recipe>

/** What bounds a run: executed instructions, or parameter updates. */
export const Limit = z.union([
  z.strictObject({ fuel: z.int().min(FUEL_MIN).max(FUEL_MAX) }),
  z.strictObject({ updates: z.int().min(1).max(UPDATES_MAX) }),
])
export type Limit = z.infer<typeof Limit>

export const Task = z.enum(['train', 'evaluate'])
export type Task = z.infer<typeof Task>

/** A prefix of a run: 0, 1, 2 are its first 27th, ninth and third, 3 is all of it. */
export const Rung = z
  .int()
  .min(0)
  .max(RUNGS_OF_RUN - 1)
export type Rung = z.infer<typeof Rung>
export const LAST_RUNG: Rung = RUNGS_OF_RUN - 1

/** Evaluates the run at the end of each of `of` rungs, and ends it with rung `until`. Nothing before that depends on `until`. */
export const Rungs = z.strictObject({ of: z.literal(RUNGS_OF_RUN), until: Rung })
export type Rungs = z.infer<typeof Rungs>
export const rungsUntil = (until: Rung): Rungs => ({ of: RUNGS_OF_RUN, until })

/** Of so many planned updates, how many a run has made at the end of a rung. */
export const rungEnd = (planned: number, rung: Rung): number => Math.ceil(planned / 3 ** (LAST_RUNG - rung))

/** Slot 0 of a kernel is the RFC 8785 text of this. */
export const Job = z.strictObject({
  kernel: Versioned,
  task: Task,
  recipe: Recipe,
  seed: z.int().min(0).max(SEED_MAX),
  limit: Limit,
  marks: z.literal(MARKS),
  /** Absent in campaigns that stop no run early: their run is evaluated once, at its end. */
  rungs: Rungs.optional(),
})
export type Job = z.infer<typeof Job>

/** Of a job that was made here, where it ends: its recipe, the most of it, is not read again. */
export const Bounds = z.object({ limit: Limit, rungs: Rungs.optional() })

/** The exact bytes of slot 0, as text. */
export const jobText = (job: Job): string => canonicalJson(job)

/**
 * What names a computation: equal run keys of an exact class have equal digests, for ever. What a native class computes is another
 * computation than the kernel's, and of each class another one: there equal keys have results within the tolerance.
 * The key is the SHA-256 of this text.
 * @param moduleSha256 of the rewritten module @param data SHA-256 of each data file, in slot order
 */
export function runKeyText(
  moduleSha256: Sha256,
  data: readonly Sha256[],
  job: Job,
  engineClass: EngineClass = 'wasm',
): string {
  const { recipe, seed, limit, marks, task, rungs } = job
  const terms = { kernel: moduleSha256, data, recipe, seed, limit, marks, task }
  const engine = engineClass === 'wasm' ? {} : { engine: engineClass }
  return canonicalJson({ ...terms, ...(rungs === undefined ? {} : { rungs }), ...engine })
}

/** The run key of a job, on any machine; of the same parameters as its text. */
export const runKeyOf = (...terms: Parameters<typeof runKeyText>): Promise<Sha256> =>
  sha256Text(runKeyText(...terms))
