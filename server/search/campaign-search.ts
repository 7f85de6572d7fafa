import { invariant } from '#domain/invariant.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import { type CampaignRecipe, campaignRecipe } from '#protocol/campaign-recipe.ts'
import { type KernelManifest, valueFault } from '#protocol/kernel.ts'
import { type Dimension, OUTSIDE, type Proposer, proposersOf } from '#protocol/space.ts'
import { randomAxis } from './axis.ts'
import type { Values } from './expression.ts'
import { type Arm, type Search, searchWith } from './propose.ts'
import { samplerOf } from './samplers/registry.ts'
import { compileSpace } from './search-space.ts'
import { contradiction, type Refusal } from './space.ts'

export interface CampaignSearch extends Search {
  readonly ok: true
}

/**
 * What proposes the recipes of a campaign, for any sampler, conditions and constraints. Rules of the kernel between
 * parameters are constraints too, and so is what the campaign's classes are offered: what is refused is drawn again. Refuses with `campaign_invalid` or `recipe_invalid`;
 * the detail names the field.
 */
export function searchOf(file: CampaignFile, manifest: KernelManifest): CampaignSearch | Refusal {
  const wrong = contradiction(file, manifest)
  if (wrong !== undefined) return { ok: false, code: 'campaign_invalid', detail: wrong }
  for (const [name, dimension] of Object.entries(file.space)) {
    const detail = dimensionFault(manifest, name, dimension)
    if (detail !== undefined) return { ok: false, code: 'recipe_invalid', detail: `space.${name}: ${detail}` }
    const axis = randomAxis(name, dimension)
    if (!axis.ok) return { ok: false, code: 'campaign_invalid', detail: axis.detail }
  }
  const canonical = (values: Values): CampaignRecipe =>
    campaignRecipe(file, manifest, { ...file.recipe, ...values })
  const space = compileSpace({
    ...file,
    refuses: values => {
      const reply = canonical(values)
      return reply.ok ? undefined : reply.reason
    },
  })
  if (!space.ok) return { ok: false, code: 'campaign_invalid', detail: space.detail }
  const arms: Arm[] = []
  for (const name of proposersOf(file.sampler)) {
    if (name === OUTSIDE) {
      arms.push({ name, sampler: null })
      continue
    }
    const reply = samplerOf(space, file.space, { ...file.sampler, name })
    if (!reply.ok) return { ok: false, code: 'campaign_invalid', detail: reply.detail }
    arms.push({ name, sampler: reply.sampler })
  }
  const search = searchWith({
    space,
    arms,
    seed: file.sampler.seed,
    goal: file.metric.goal,
    recipeOf: values => {
      const reply = canonical(values)
      invariant(reply.ok, 'a settled point was accepted by the kernel')
      return reply.recipe
    },
  })
  return { ok: true, ...search }
}

/** Those that do not learn. */
export const OPEN_LOOP: ReadonlySet<Proposer> = new Set(['grid', 'random', 'sobol', OUTSIDE])

/** Why the kernel cannot take all of a dimension, by its ends or all of its choices; undefined when it can. */
function dimensionFault(manifest: KernelManifest, name: string, dimension: Dimension): string | undefined {
  const { properties } = manifest.recipe
  const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
  if (schema === undefined) return 'the kernel has no such parameter'
  const isContinuum = 'log' in dimension || ('float' in dimension && dimension.step === undefined)
  if (isContinuum && schema.type !== 'number') return 'the kernel takes no fractions here: use int or choice'
  return valuesToCheck(dimension)
    .map(value => valueFault(schema, value))
    .find(reason => reason !== undefined)
}

function valuesToCheck(dimension: Dimension): readonly (string | number)[] {
  if ('choice' in dimension) return dimension.choice
  if ('log' in dimension) return dimension.log
  if ('float' in dimension) return dimension.float
  const [low, high] = dimension.int
  return [low, low + Math.min(dimension.step ?? 1, high - low)].concat(
    low + Math.floor((high - low) / (dimension.step ?? 1)) * (dimension.step ?? 1),
  )
}
