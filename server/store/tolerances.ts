import { z } from 'zod'
import { EngineClass } from '#protocol/engine.ts'
import { Distance, Tolerance } from '#protocol/native.ts'
import { type Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectFirst, toDb } from './rows.ts'

/** A kernel release in a class whose runs are compared with a tolerance. */
export interface Compared {
  readonly kernelSha256: Sha256
  readonly engineClass: EngineClass
}

const ToleranceRow = z.object({
  kernelSha256: Sha256,
  engineClass: EngineClass,
  stated: Tolerance,
  learnt: Tolerance.nullable(),
})
/** The bounds of a manifest, and those that were learnt and frozen for the class; null: not yet. */
export type ToleranceRow = z.infer<typeof ToleranceRow>

const READ = `
  select x."kernelSha256", x."engineClass", k.manifest->'native'->'tolerance' as stated, t.bounds as learnt
  from json_to_recordset(cast(:rows as json)) as x("kernelSha256" text, "engineClass" text)
  join kernels k on k.module_sha256 = x."kernelSha256"
  left join tolerances t on t.kernel_sha256 = x."kernelSha256" and t.engine_class = x."engineClass"
  where k.manifest->'native' is not null`

export const readTolerances = (on: Executor, of: readonly Compared[]): Promise<ToleranceRow[]> =>
  of.length === 0 ? Promise.resolve([]) : select(on, ToleranceRow, READ, { rows: recordset(of) })

const GATHER = `
  insert into tolerances as t (kernel_sha256, engine_class, pairs)
  values (:kernelSha256, :engineClass, cast(:pairs as jsonb))
  on conflict (kernel_sha256, engine_class) do update set pairs = t.pairs || excluded.pairs where t.bounds is null
  returning t.pairs`

const Gathered = z.object({ pairs: z.array(Distance) })

/** Adds distances to those that are gathered; gives all of them, or none when the bounds are frozen already. */
export async function gatherPairs(
  trx: Trx,
  { pairs, ...of }: Compared & { readonly pairs: readonly Distance[] },
): Promise<readonly Distance[]> {
  const row = await selectFirst(trx, Gathered, GATHER, { ...of, pairs: JSON.stringify(pairs) })
  return row?.pairs ?? []
}

const FREEZE = `
  update tolerances set bounds = cast(:bounds as jsonb), frozen_at = :now
  where kernel_sha256 = :kernelSha256 and engine_class = :engineClass and bounds is null`

/** What was learnt of a class holds for its release from now on; returns 0 when something did already. */
export const freezeBounds = (
  trx: Trx,
  { bounds, now, ...of }: Compared & { readonly bounds: Tolerance; readonly now: Instant },
): Promise<number> => execute(trx, FREEZE, { ...of, bounds: JSON.stringify(bounds), now: toDb(now) })
