import { setImmediate as breathe } from 'node:timers/promises'
import { plannedUnits } from '#domain/campaign.ts'
import { quote } from '#domain/prices.ts'
import { enginesOf } from '#protocol/budget.ts'
import type { CampaignFile, RunPlan } from '#protocol/campaign.ts'
import { restlessnessIn } from '#protocol/campaign-recipe.ts'
import type { Quote, Restless } from '#protocol/credits.ts'
import { baselineMetric, type DatasetManifest } from '#protocol/dataset.ts'
import { Job, type Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { Sha256 } from '#protocol/units.ts'
import { findCampaign } from '#store/campaigns.ts'
import { findDataset } from '#store/datasets.ts'
import { findKernel, type KernelRow } from '#store/kernels.ts'
import type { Executor } from '#store/rows.ts'
import type { StudyRun } from '#store/studies.ts'
import { slotFiles } from './catalogue.ts'
import type { Begun, CampaignPlan, Planner, Run } from './planner.ts'
import { Refused } from './problem.ts'
import { studyOf } from './study.ts'

/** A campaign file that this server can compute, and what it costs at most. */
export interface CheckedCampaign {
  readonly file: CampaignFile
  readonly kernel: KernelRow
  readonly dataset: DatasetManifest
  readonly plan: CampaignPlan
  readonly quote: Quote
  readonly firstRecipes: readonly Recipe[]
  /** Of a campaign of type `replicate`: what it computes again. */
  readonly study: readonly StudyRun[] | undefined
}

const FIRST_RECIPES = 3

/** Checks a campaign file down to the last recipe; throws `Refused` with the code and the field. */
export async function checkCampaign(
  on: Executor,
  planner: Planner,
  file: CampaignFile,
  begun?: Begun,
): Promise<CheckedCampaign> {
  const kernel = await findKernel(on, file.kernel)
  if (kernel === undefined) throw new Refused('kernel_unknown', `kernel: ${file.kernel}`)
  // What was submitted before may still be revised.
  if (kernel.deprecatedAt !== null && begun === undefined)
    throw new Refused('kernel_deprecated', `kernel: ${file.kernel}`)
  const dataset = await findDataset(on, file.data)
  if (dataset === undefined) throw new Refused('data_unknown', `data: ${file.data}`)
  assertSplits(kernel.manifest, dataset)
  assertContent(kernel.manifest, dataset)
  if (file.derived_from !== undefined && (await findCampaign(on, file.derived_from)) === undefined)
    throw new Refused('campaign_invalid', `derived_from: there is no campaign ${file.derived_from}`)
  const plan = planner.plan(file, kernel.manifest, begun ?? { created: 0, respaced: false })
  if (!plan.ok) throw new Refused(plan.code, plan.detail)
  const study = await studyOf(on, { file, kernel, dataset })
  const { quorum, policy } =
    file.study === undefined ? file.replicate : { quorum: file.study.runs, policy: 'fixed' as const }
  const experiments =
    study === undefined ? plan.experiments : new Set(study.map(run => run.recipeSha256)).size
  const { flops_per_run: flops } = file.budget
  const units = plannedUnits(file, flops === undefined ? plan : { ...plan, fuelMax: flops })
  const byFlops = flops === undefined ? null : enginesOf(file)
  const costs = { experiments, ...quote({ byFlops, units, quorum, policy }) }
  const budgetMilli = milliOf(file.budget.credits)
  if (costs.reserveMilli > budgetMilli) {
    const detail = `budget.credits: the quote is ${costs.reserveMilli / 1000} credits, the budget ${file.budget.credits}`
    throw new Refused('budget_exceeded', detail, { missingMilli: costs.reserveMilli - budgetMilli })
  }
  const { first: firstRecipes, restless } = await checkRecipes(plan, { file, manifest: kernel.manifest })
  const known = restless === undefined ? costs : { ...costs, restless }
  return { file, kernel, dataset, plan, quote: known, firstRecipes, study }
}

// 1.001 × 1000 is a little less than 1001: a budget of exactly the quote must be enough.
const milliOf = (credits: number): number => Math.floor(Number((credits * 1000).toPrecision(12)))

function assertSplits(manifest: KernelManifest, dataset: DatasetManifest): void {
  const missing = manifest.slots.find(slot => !dataset.splits.some(split => split.name === slot.split))
  if (missing !== undefined)
    throw new Refused('campaign_invalid', `data: has no split ${missing.split}, which the kernel reads`)
  // Another name would promise what no run sees.
  if (manifest.slots.length === 0 && dataset.splits.length > 0)
    throw new Refused('campaign_invalid', 'data: the kernel reads none; leave it out')
}

const CONTENTS = { val_bpb: 'text', val_bits: 'labelled images' } as const
const isMeasure = (name: string): name is keyof typeof CONTENTS => Object.hasOwn(CONTENTS, name)

// Every host would decline every run: a kernel finds out what a file holds only when it reads it.
function assertContent({ metric }: KernelManifest, dataset: DatasetManifest): void {
  const held = baselineMetric(dataset)
  if (held === undefined || !isMeasure(metric.name) || held === metric.name) return
  const detail = `data: ${dataset.name}@${dataset.version} is ${CONTENTS[held]}, and the kernel reads ${CONTENTS[metric.name]}`
  throw new Refused('campaign_invalid', detail)
}

// A recipe costs some microseconds; between bites of this many other requests get their turn.
const RECIPES_PER_BITE = 500

interface Asked {
  readonly file: CampaignFile
  readonly manifest: KernelManifest
}

/** The first recipes of a plan, all of which are good, and how many of them are for exact classes only. */
async function checkRecipes(
  plan: CampaignPlan,
  { file, manifest }: Asked,
): Promise<{ first: readonly Recipe[]; restless: Restless | undefined }> {
  const first: Recipe[] = []
  let [checked, restless] = [0, 0]
  let because: string | undefined
  for (const planned of plan.recipes()) {
    if (!planned.ok) throw new Refused(planned.code, planned.detail)
    if (first.length < FIRST_RECIPES) first.push(planned.recipe)
    const reason = restlessnessIn(file, manifest, planned.recipe)
    because ??= reason
    if (reason !== undefined) restless++
    if (++checked % RECIPES_PER_BITE === 0) await breathe()
  }
  return { first, restless: because === undefined ? undefined : { recipes: restless, of: checked, because } }
}

/** The first runs of a campaign as anyone could compute them. */
export function firstRuns(planner: Planner, checked: CheckedCampaign): RunPlan[] {
  const { file, kernel, dataset, plan, study } = checked
  if (study !== undefined)
    return study.slice(0, FIRST_RECIPES).map(run => runPlan({ run, kernel, dataset, fuelMax: plan.fuelMax }))
  const data = slotFiles(kernel.manifest, dataset).map(slot => slot.sha256)
  const source = { file, manifest: kernel.manifest, moduleSha256: kernel.moduleSha256, data }
  return checked.firstRecipes.map(recipe => {
    const run = planner.run(source, recipe, { seedIndex: 0, isPruned: plan.pruner !== 'none' })
    return runPlan({ run, kernel, dataset, fuelMax: plan.fuelMax })
  })
}

interface Planned {
  readonly run: Pick<Run, 'job'> & { readonly runKey: Sha256 }
  readonly kernel: KernelRow
  readonly dataset: DatasetManifest
  readonly fuelMax: number
}

/** Everything needed to compute a run again, from its job and what that runs on. */
export function runPlan({ run, kernel, dataset, fuelMax }: Planned): RunPlan {
  const { recipe, seed, limit } = Job.parse(JSON.parse(run.job))
  const { name, version, moduleSha256, releaseSha256, manifest } = kernel
  return {
    ...{ job: run.job, runKey: run.runKey, recipe, seed, limit, fuelMax },
    kernel: { name, version, moduleSha256, releaseSha256 },
    data: slotFiles(manifest, dataset),
    memoryPagesMax: manifest.memoryPagesMax,
  }
}
