import type { CampaignFile } from '#protocol/campaign.ts'
import { campaignRecipe } from '#protocol/campaign-recipe.ts'
import type { Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'

/** What becomes of a recipe that somebody outside proposes. */
export type Proposed =
  | { readonly outcome: 'new'; readonly recipe: Recipe }
  | { readonly outcome: 'waiting'; readonly recipe: Recipe; readonly experimentId: string }
  | { readonly outcome: 'known'; readonly recipe: Recipe; readonly experimentId: string }
  | { readonly outcome: 'refused'; readonly recipe: Recipe; readonly detail: string }

interface Campaign {
  readonly manifest: KernelManifest
  /** What its runs have in common: recipe and classes. */
  readonly file: Pick<CampaignFile, 'recipe' | 'engines'>
  /** Runs of the budget that nobody has taken yet. */
  readonly remaining: number
  /** How many more may wait for their turn. */
  readonly room?: number
  /** The experiment that has this canonical recipe; undefined: none. */
  readonly experimentOf: (recipe: Recipe) => string | undefined
  /** The experiment that this canonical recipe becomes when its turn comes; undefined: it does not wait. */
  readonly waitingOf?: (recipe: Recipe) => string | undefined
}

/**
 * Looks at recipes in order: each is completed by the campaign's and the kernel's, and must contradict neither; some class of the campaign has to be offered it. One that occurs
 * twice counts once; what exceeds the runs that are left is refused. A recipe may lie outside the space that the sampler searches.
 */
export function judgeProposals(
  given: readonly Recipe[],
  { manifest, file, remaining, room = Infinity, experimentOf, waitingOf = () => undefined }: Campaign,
): readonly Proposed[] {
  const fixed = file.recipe
  const fresh = new Map<string, Recipe>()
  return given.map((changes): Proposed => {
    const against = Object.keys(changes).find(
      name => Object.hasOwn(fixed, name) && fixed[name] !== changes[name],
    )
    if (against !== undefined)
      return {
        outcome: 'refused',
        recipe: changes,
        detail: `${against}: the campaign fixes it at ${fixed[against]}`,
      }
    const reply = campaignRecipe(file, manifest, { ...changes, ...fixed })
    if (!reply.ok) return { outcome: 'refused', recipe: changes, detail: reply.reason }
    const { recipe } = reply
    const experimentId = experimentOf(recipe)
    if (experimentId !== undefined) return { outcome: 'known', recipe, experimentId }
    const waitingId = waitingOf(recipe)
    if (waitingId !== undefined) return { outcome: 'waiting', recipe, experimentId: waitingId }
    const key = JSON.stringify(recipe)
    if (!fresh.has(key) && fresh.size >= remaining)
      return { outcome: 'refused', recipe, detail: 'budget.runs: the campaign has no run left for it' }
    if (!fresh.has(key) && fresh.size >= room)
      return { outcome: 'refused', recipe, detail: 'so many wait for their turn already that it cannot' }
    fresh.set(key, recipe)
    return { outcome: 'new', recipe }
  })
}
