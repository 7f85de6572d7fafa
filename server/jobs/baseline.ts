import { recipeSha256Of } from '#domain/recipe.ts'
import { EXPERIMENTS_PER_CAMPAIGN_MAX } from '#protocol/limits.ts'
import { hasBaseline, insertBaseline } from '#store/tests.ts'
import { createUnits } from './create-units.ts'
import type { Growing } from './grow.ts'

/**
 * Adds the unchanged recipe of a locked campaign with its screening seeds, as whole runs, if it is to have one and has none: what tests
 * have to beat, and what stands marked on the leaderboard. Gives whether it was added.
 */
export async function addBaseline(growing: Growing): Promise<boolean> {
  const { trx, deps, campaign, plan, now } = growing
  const { baseline: recipe } = plan
  if (recipe === null || (await hasBaseline(trx, campaign.id))) return false
  const id = deps.ids.experiment(now)
  const recipeSha256 = recipeSha256Of(recipe)
  // After every ordinal that a proposal can have.
  const ordinal = EXPERIMENTS_PER_CAMPAIGN_MAX
  await insertBaseline(trx, { id, campaignId: campaign.id, ordinal, recipe, recipeSha256, now })
  const { seeds } = campaign.file.replicate
  await createUnits(
    growing,
    Array.from({ length: seeds }, (_, seedIndex) => ({ experimentId: id, recipe, seedIndex })),
  )
  return true
}
