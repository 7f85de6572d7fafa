import { canonicalJson } from '#protocol/canonical.ts'
import type { Recipe } from '#protocol/job.ts'
import type { Sha256 } from '#protocol/units.ts'
import { sha256Of } from './hash.ts'

/** What names an experiment within its campaign: SHA-256 of the canonical JSON of a canonical recipe. */
export const recipeSha256Of = (recipe: Recipe): Sha256 => sha256Of(canonicalJson(recipe))
