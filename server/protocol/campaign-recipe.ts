import { enginesOf } from './budget.ts'
import type { CampaignFile } from './campaign.ts'
import { type EngineClass, isExact } from './engine.ts'
import type { Recipe } from './job.ts'
import { canonicalRecipe, type RecipeTerms } from './kernel.ts'
import { type NativeForm, restlessness } from './native.ts'

type Engines = Pick<CampaignFile, 'engines'>
type Native = { readonly native?: Pick<NativeForm, 'calm'> | undefined }

/** Why a campaign's classes that compare with a tolerance are not offered a canonical recipe; undefined: they are, or it has none. */
export function restlessnessIn(file: Engines, { native }: Native, recipe: Recipe): string | undefined {
  if (native === undefined || enginesOf(file).every(isExact)) return undefined
  return restlessness(native, recipe)
}

/**
 * The classes of a campaign that a canonical recipe may be computed in: all of them, or, where honest devices would not agree on it,
 * those that give the same bits everywhere. Of a recipe that `campaignRecipe` took there is one at least.
 */
export function classesFor(file: Engines, terms: Native, recipe: Recipe): readonly EngineClass[] {
  const classes = enginesOf(file)
  return restlessnessIn(file, terms, recipe) === undefined ? classes : classes.filter(isExact)
}

export type CampaignRecipe =
  | { readonly ok: true; readonly recipe: Recipe }
  | { readonly ok: false; readonly code: 'recipe_invalid' | 'recipe_restless'; readonly reason: string }

/** The canonical recipe of a campaign's run: one that the kernel takes, and that some class of the campaign is offered. */
export function campaignRecipe(file: Engines, manifest: RecipeTerms, given: Recipe): CampaignRecipe {
  const reply = canonicalRecipe(manifest, given)
  if (!reply.ok) return { ...reply, code: 'recipe_invalid' }
  const reason = restlessnessIn(file, manifest, reply.recipe)
  if (reason === undefined || enginesOf(file).some(isExact)) return reply
  return { ok: false, code: 'recipe_restless', reason }
}
