import type { CampaignFile } from '#protocol/campaign.ts'
import { campaignRecipe } from '#protocol/campaign-recipe.ts'
import type { Limit, Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { type Pruner, proposersOf } from '#protocol/space.ts'
import { type CampaignSearch, OPEN_LOOP, searchOf } from './campaign-search.ts'
import { interactionFault } from './interaction-test.ts'
import { agentFault } from './respace.ts'
import { contradiction, limitOf, type PlannedRecipe, planAhead, type Refusal } from './space.ts'

/** What a campaign costs, and how its recipes come about. */
export interface CampaignPlan {
  readonly ok: true
  /** Points of the space; null: a continuum. */
  readonly spaceSize: number | null
  readonly experiments: number
  readonly limit: Limit
  /** The most instructions one run may execute. */
  readonly fuelMax: number
  /** What decides which runs are stopped early; none: every run is whole, and its job knows no rungs. */
  readonly pruner: Pruner
  /** What proposes recipes one after the other, from the outcomes of earlier ones; null: all are known in advance. */
  readonly search: CampaignSearch | null
  readonly isSearched: boolean
  /** The unchanged recipe, computed beside what is tried and not counted among `experiments`; null: none. */
  readonly baseline: Recipe | null
  /**
   * The canonical recipes of experiments `from`…, in order; ends after the first refusal (`recipe_invalid`, `recipe_restless`, `space_too_small`,
   * `space_too_constrained`). Of a searched campaign those that it begins with.
   */
  recipes(from?: number): Generator<PlannedRecipe, void>
}

/** What a campaign has done when it is planned anew. */
export interface Begun {
  readonly created: number
  /** Its space is not the one it was submitted with. */
  readonly respaced: boolean
}
const SEEDS_TO_TEST_MIN = 2

// As many as somebody looks at before submitting.
const FIRST_PROPOSALS = 3

/**
 * What a campaign will try. A grid or random draws of a plain space are known in advance, and cost nothing to list; everything else
 * is searched, and so is what is left of a campaign whose space was revised, and whatever stops runs early. Refuses with `campaign_invalid`
 * (the detail names the field), `kernel_without_rungs`, `recipe_invalid`, `recipe_restless`, `space_too_small` or `space_too_constrained`; recipes are
 * checked as they are taken from `recipes`.
 */
export function planCampaign(
  file: CampaignFile,
  manifest: KernelManifest,
  { created, respaced }: Begun = { created: 0, respaced: false },
): CampaignPlan | Refusal {
  if (file.study !== undefined) return planStudy(file, manifest)
  const stop = untestable(file, manifest) ?? agentFault(file, manifest) ?? interactionFault(file)
  if (stop !== undefined) return { ok: false, code: 'campaign_invalid', detail: stop }
  const pruner = prunerOf(file, manifest)
  if (pruner !== 'none' && manifest.rungs !== true) {
    const detail = `stop.prune: ${file.kernel} cannot end a run early: leave out ${pruner}`
    return { ok: false, code: 'kernel_without_rungs', detail }
  }
  const baseline = unchangedRecipe(file, manifest)
  // In another space ordinals say nothing of what was tried: only the history does.
  if (isPlain(file) && !respaced && pruner === 'none') {
    const plan = planAhead(file, manifest)
    return plan.ok ? { ...plan, pruner, search: null, isSearched: false, baseline } : plan
  }
  const wanted = respaced ? file.budget.runs - created : file.budget.runs
  if (isPlain(file) && wanted > 0) {
    const ahead = planAhead({ ...file, budget: { ...file.budget, runs: wanted } }, manifest)
    if (!ahead.ok) return ahead
  }
  const search = searchOf(file, manifest)
  if (!search.ok) return search
  const experiments = file.budget.runs
  const { size } = search.space
  if (size < wanted) {
    const detail = `the space has ${size} points, budget.runs asks for ${wanted}`
    return { ok: false, code: 'space_too_small', detail }
  }
  const limit = limitOf(file, manifest)
  return {
    ok: true,
    spaceSize: Number.isFinite(size) ? size : null,
    ...{ experiments, limit, pruner, search, isSearched: true, baseline },
    fuelMax: 'fuel' in limit ? limit.fuel : manifest.bounds.fuelMax,
    recipes: () => firstOf(search, Math.min(experiments, FIRST_PROPOSALS)),
  }
}

/** A study proposes nothing: its recipes are those of its originals. */
function planStudy(file: CampaignFile, manifest: KernelManifest): CampaignPlan | Refusal {
  const detail = contradiction(file, manifest)
  if (detail !== undefined) return { ok: false, code: 'campaign_invalid', detail }
  const limit = limitOf(file, manifest)
  return {
    ...{
      ok: true,
      spaceSize: file.budget.runs,
      experiments: file.budget.runs,
      limit,
      pruner: 'none',
      baseline: null,
    },
    ...{ search: null, isSearched: false, recipes: function* () {} },
    fuelMax: 'fuel' in limit ? limit.fuel : manifest.bounds.fuelMax,
  }
}

/** What everything tried is held against; null where the file wants none, nothing is varied, or the kernel or its classes refuse it. */
function unchangedRecipe(file: CampaignFile, manifest: KernelManifest): Recipe | null {
  const { baseline, recipe, space, stop } = file
  if (Object.keys(space).length === 0 || (!baseline && stop?.sprt === undefined)) return null
  const unchanged = campaignRecipe(file, manifest, recipe)
  return unchanged.ok ? unchanged.recipe : null
}

const isPlain = ({ sampler, space, constraints = [], interaction }: CampaignFile): boolean =>
  sampler.beside === undefined &&
  interaction === undefined &&
  (sampler.name === 'grid' || sampler.name === 'random') &&
  constraints.length === 0 &&
  Object.values(space).every(dimension => dimension.when === undefined)

/** What the file asks for; else `asha` where a sampler learns, nothing is tested and the kernel knows rungs. */
function prunerOf({ stop, sampler, interaction, budget }: CampaignFile, { rungs }: KernelManifest): Pruner {
  if (stop?.prune !== undefined) return stop.prune
  if (budget.flops_per_run !== undefined) return 'none'
  // A test tells the scatter from experiments that came to the end, of which a pruner leaves too few.
  const tests = stop?.sprt !== undefined || interaction !== undefined
  return tests || rungs !== true || proposersOf(sampler).every(name => OPEN_LOOP.has(name)) ? 'none' : 'asha'
}

/** Why a campaign cannot test what it asks to be tested; undefined when it can. */
function untestable(file: CampaignFile, manifest: KernelManifest): string | undefined {
  const { stop, replicate, recipe, sampler } = file
  if (stop?.sprt === undefined) {
    if (sampler.beside !== undefined)
      return 'sampler.beside: who gets more of the budget goes by stop.sprt, which is missing'
    return stop?.at === undefined
      ? undefined
      : `stop.at: ${stop.at} goes by stop.sprt.effect, which is missing`
  }
  if (replicate.seeds < SEEDS_TO_TEST_MIN)
    return `replicate.seeds: stop.sprt tells the scatter from at least ${SEEDS_TO_TEST_MIN} seeds`
  const unchanged = campaignRecipe(file, manifest, recipe)
  return unchanged.ok ? undefined : `recipe: what is to be beaten is not valid by itself: ${unchanged.reason}`
}

function* firstOf(search: CampaignSearch, count: number): Generator<PlannedRecipe, void> {
  const reply = search.ask({ trials: [], reports: [] }, count)
  for (const { ordinal, recipe } of reply.proposals) yield { ok: true, ordinal, recipe }
  if (!reply.ok) yield { ok: false, code: reply.code, detail: reply.detail }
}
