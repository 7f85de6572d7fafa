import { createHash } from 'node:crypto'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Recipe } from '#protocol/job.ts'
import { Sha256 } from '#protocol/units.ts'

/** What names an experiment within its campaign: SHA-256 of the canonical JSON of a canonical recipe. */
export const recipeSha256Of = (recipe: Recipe): Sha256 =>
  Sha256.parse(createHash('sha256').update(canonicalJson(recipe)).digest('hex'))
