import { sha256Of } from '#domain/hash.ts'
import { type SeedSource, seedFor } from '#domain/seeds.ts'
import { enginesOf } from '#protocol/budget.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import { campaignRecipe, classesFor } from '#protocol/campaign-recipe.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { EngineClass } from '#protocol/engine.ts'
import {
  type Job,
  jobText,
  LAST_RUNG,
  type Limit,
  type Recipe,
  type Rungs,
  rungsUntil,
  runKeyText,
} from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { MARKS, REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import { updatesWithin } from '#protocol/native.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { Sha256 } from '#protocol/units.ts'
import { type Axis, gridAxis, randomAxis } from './axis.ts'
import { drawnPoint, drawnUnder, noneDrawn } from './draws.ts'
import { PERMUTE_MAX, permute } from './random.ts'

export interface Refusal {
  readonly ok: false
  readonly code: ProblemCode
  readonly detail: string
}

interface PlanAhead {
  readonly ok: true
  /** Points of the space; null: a continuum. */
  readonly spaceSize: number | null
  readonly experiments: number
  readonly limit: Limit
  /** The most instructions one run may execute. */
  readonly fuelMax: number
  /**
   * The canonical recipes of experiments `from`…, in order, at most `experiments` in all; ends after the first refusal
   * (`recipe_invalid`, `recipe_restless`, `space_too_small`). Deterministic: the same file and manifest give the same recipes for ever.
   * What is drawn is remembered where `from` says that the campaign is under way.
   */
  recipes(from?: number): Generator<PlannedRecipe, void>
}

export type PlannedRecipe = { readonly ok: true; readonly ordinal: number; readonly recipe: Recipe } | Refusal

/**
 * A grid, or random draws, of a space without conditions: known in advance. Refuses with `campaign_invalid` (the detail names the
 * field) or `space_too_small`; recipes are checked as they are taken from `recipes`.
 */
export function planAhead(file: CampaignFile, manifest: KernelManifest): PlanAhead | Refusal {
  const detail = contradiction(file, manifest)
  if (detail !== undefined) return { ok: false, code: 'campaign_invalid', detail }
  // Before any axis is looked through: 32 long ones that mean nothing would take a second.
  const foreign = Object.keys(file.space).find(name => !Object.hasOwn(manifest.recipe.properties, name))
  if (foreign !== undefined) {
    const unknown = `space.${foreign}: the kernel has no such parameter`
    return { ok: false, code: 'recipe_invalid', detail: unknown }
  }
  const space = spaceOf(file)
  if (!space.ok) return space
  const experiments = file.budget.runs
  if (space.size !== null && space.size < experiments) {
    const tooSmall = `the space has ${space.size} points, budget.runs asks for ${experiments}`
    return { ok: false, code: 'space_too_small', detail: tooSmall }
  }
  const limit = limitOf(file, manifest)
  return {
    ok: true,
    spaceSize: space.size,
    experiments,
    limit,
    fuelMax: 'fuel' in limit ? limit.fuel : manifest.bounds.fuelMax,
    recipes: from => recipesOf({ file, manifest, space, from }),
  }
}

export interface RunSource extends SeedSource {
  readonly file: CampaignFile
  readonly manifest: KernelManifest
}

export interface Run {
  /** The exact bytes of slot 0, as text. */
  readonly job: string
  readonly runKey: Sha256
  readonly seed: number
  /** Where it may be computed natively: the run key that the kernel itself gives it. */
  readonly exactKey: Sha256 | null
  /** Of a campaign whose budget counts FLOPs: those of this run. */
  readonly flops: number | null
  /** In which classes it may be computed, and its run key there; `runKey` is that of the first. */
  readonly classes: readonly { readonly engineClass: EngineClass; readonly runKey: Sha256 }[]
}

/** The run of a canonical recipe with the campaign's seed number `seedIndex`; `rungs` says where it ends and is evaluated. */
export function buildRun(
  source: RunSource,
  recipe: Recipe,
  seedIndex: number,
  rungs: Rungs | undefined = source.file.rungs ? rungsUntil(LAST_RUNG) : undefined,
): Run {
  const { file, moduleSha256, data } = source
  const seed = seedFor(source, seedIndex)
  const { limit, flops } = boundsOf(source, recipe)
  const whole: Job = { kernel: file.kernel, task: 'train', recipe, seed, limit, marks: MARKS }
  const job = rungs === undefined ? whole : { ...whole, rungs }
  const classes = classesFor(file, source.manifest, recipe)
  const keyIn = (engineClass: EngineClass): Sha256 =>
    sha256Of(runKeyText(moduleSha256, data, job, engineClass))
  const [first, ...others] = classes.map(engineClass => ({ engineClass, runKey: keyIn(engineClass) }))
  if (first === undefined) throw new TypeError('no class is offered this recipe') // campaignRecipe refuses it
  const exactKey = classes.some(name => name !== 'wasm') ? keyIn('wasm') : null
  return { job: jobText(job), runKey: first.runKey, exactKey, seed, flops, classes: [first, ...others] }
}

/** What bounds a run of this recipe: where the budget counts FLOPs, as many updates as they are enough for. */
function boundsOf(
  { file, manifest }: Pick<RunSource, 'file' | 'manifest'>,
  recipe: Recipe,
): { readonly limit: Limit; readonly flops: number | null } {
  const { flops_per_run: budget } = file.budget
  if (budget === undefined || manifest.native === undefined)
    return { limit: limitOf(file, manifest), flops: null }
  const { updatesMax } = manifest.bounds
  const { updates, flops } = updatesWithin(manifest.native, { recipe, flops: budget, updatesMax })
  return { limit: { updates }, flops }
}

/** The whole run of a recipe, which knows rungs where the campaign stops runs early. */
export const wholeRun = (
  source: RunSource,
  recipe: Recipe,
  { seedIndex, isPruned }: { readonly seedIndex: number; readonly isPruned: boolean },
): Run => buildRun(source, recipe, seedIndex, isPruned ? rungsUntil(LAST_RUNG) : undefined)

interface Space {
  readonly ok: true
  readonly axes: readonly Axis[]
  readonly size: number | null
}

/** In which field file and kernel contradict each other, as a sentence; undefined when they fit. */
export function contradiction(file: CampaignFile, manifest: KernelManifest): string | undefined {
  const { metric, budget, recipe, space } = file
  const { fuelMax, updatesMax } = manifest.bounds
  if (metric.name !== manifest.metric.name || metric.goal !== manifest.metric.goal)
    return `metric: the kernel gives ${manifest.metric.name}, to ${manifest.metric.goal}`
  if ((budget.fuel_per_run ?? 0) > fuelMax) return `budget.fuel_per_run: the kernel takes at most ${fuelMax}`
  if ((budget.updates_per_run ?? 0) > updatesMax)
    return `budget.updates_per_run: the kernel takes at most ${updatesMax}`
  const mismatch = engineFault(file, manifest)
  if (mismatch !== undefined) return mismatch
  if (file.rungs && !manifest.rungs) return 'rungs: the kernel evaluates a run only at its end'
  const both = Object.keys(space).find(name => Object.hasOwn(recipe, name))
  return both === undefined ? undefined : `space.${both}: the recipe fixes it already`
}

// In name order: the file is stored as jsonb, which does not keep the order in which it was written.
function spaceOf(file: CampaignFile): Space | Refusal {
  const axes: Axis[] = []
  for (const [name, dimension] of Object.entries(file.space).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const reply = file.sampler.name === 'grid' ? gridAxis(name, dimension) : randomAxis(name, dimension)
    if (!reply.ok) return { ok: false, code: 'campaign_invalid', detail: reply.detail }
    axes.push(reply.axis)
  }
  const size = axes.reduce<number | null>(
    (product, axis) => (product === null || axis.size === null ? null : product * axis.size),
    1,
  )
  return { ok: true, axes, size }
}

/** Why a campaign cannot be computed where it asks to be; undefined when it can. */
function engineFault(file: CampaignFile, { native }: KernelManifest): string | undefined {
  const classes = enginesOf(file)
  const foreign = classes.find(name => name !== 'wasm' && native?.engines.includes(name) !== true)
  if (foreign !== undefined) return `engines: ${file.kernel} has no form for ${foreign}`
  const isByFlops = file.budget.flops_per_run !== undefined
  if (isByFlops && native === undefined)
    return `budget.flops_per_run: ${file.kernel} does not state its FLOPs`
  if (!isByFlops && classes.some(name => name !== 'wasm'))
    return 'budget: native classes count no instructions: give flops_per_run'
  if (!isByFlops) return undefined
  if (file.study !== undefined) return 'budget.flops_per_run: a study has the limits of its originals'
  if (file.rungs) return 'rungs: only where the budget counts fuel or updates'
  return file.stop?.prune === undefined || file.stop.prune === 'none'
    ? undefined
    : `stop.prune: where the budget counts FLOPs every run is whole: leave out ${file.stop.prune}`
}

/** What bounds a run of this campaign; where its budget counts FLOPs, any run: each has its own. */
export function limitOf(file: CampaignFile, manifest: KernelManifest): Limit {
  const { fuel_per_run: fuel, updates_per_run: updates, flops_per_run: flops } = file.budget
  if (fuel !== undefined) return { fuel }
  if (updates !== undefined) return { updates }
  if (flops !== undefined) return { updates: manifest.bounds.updatesMax }
  throw new TypeError('a campaign file has a limit') // CampaignFile refuses it
}

interface Sequence {
  readonly file: CampaignFile
  readonly manifest: KernelManifest
  readonly space: Space
  /** Undefined: the campaign is not under way. */
  readonly from: number | undefined
}

function* recipesOf(sequence: Sequence): Generator<PlannedRecipe, void> {
  const { file, manifest, from = 0 } = sequence
  const { runs } = file.budget
  if (from >= runs) return
  for (const point of pointsOf(sequence)) {
    const reply = campaignRecipe(file, manifest, { ...file.recipe, ...point.values })
    if (!reply.ok) {
      yield { ok: false, code: reply.code, detail: `experiment ${point.ordinal}: ${reply.reason}` }
      return
    }
    yield { ok: true, ordinal: point.ordinal, recipe: reply.recipe }
    if (point.ordinal === runs - 1) return
  }
  const detail = `${REJECTED_DRAWS_MAX} draws in a row gave recipes that the campaign has already`
  yield { ok: false, code: 'space_too_small', detail }
}

interface Point {
  readonly ordinal: number
  readonly values: Recipe
}

// Finite spaces are walked by index, so that a campaign continues anywhere at once; of continua it is drawn from the start what nobody remembers.
function* pointsOf({ file, space, from: asked }: Sequence): Generator<Point, void> {
  const { axes, size } = space
  const { name, seed } = file.sampler
  const from = asked ?? 0
  if (name === 'grid') {
    for (let ordinal = from; ; ordinal++) yield { ordinal, values: pointAt(axes, ordinal) }
  }
  if (size !== null && size <= PERMUTE_MAX) {
    for (let ordinal = from; ordinal < size; ordinal++)
      yield { ordinal, values: pointAt(axes, permute(seed, ordinal, size)) }
    return
  }
  const drawn = asked === undefined ? noneDrawn() : drawnUnder(canonicalJson([file.space, seed]))
  for (let ordinal = from; ; ordinal++) {
    const values = drawnPoint({ axes, seed, drawn }, ordinal)
    if (values === undefined) return
    yield { ordinal, values: Object.fromEntries(values) }
  }
}

// Mixed radix, the last dimension fastest.
function pointAt(axes: readonly Axis[], index: number): Recipe {
  const values: Record<string, string | number> = {}
  let rest = index
  for (const axis of axes.toReversed()) {
    const size = axis.size ?? 1
    values[axis.name] = axis.at(rest % size)
    rest = Math.floor(rest / size)
  }
  return values
}
