import type { CampaignFile } from '#protocol/campaign.ts'
import type { Limit, Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { SearchView } from '#protocol/search.ts'
import type { Pruner } from '#protocol/space.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { ReportRow, readTrials } from '#store/search.ts'

/** Turns campaign files into runs. Its implementation is `server/search`; main.ts hands it down. */
export interface Planner {
  plan(file: CampaignFile, manifest: KernelManifest, begun?: Begun): CampaignPlan | PlanRefusal
  /** The whole run of a canonical recipe with the campaign's seed number `seedIndex`; `isPruned`: the campaign stops runs early. */
  run(
    source: RunSource,
    recipe: Recipe,
    which: { readonly seedIndex: number; readonly isPruned: boolean },
  ): Promise<Run>
  /** What the sampler of a campaign knows; undefined when all recipes were known in advance. */
  state(
    file: CampaignFile,
    manifest: KernelManifest,
    known: { readonly history: SearchHistory; readonly limit: number | undefined },
  ): SearchView | undefined
}

interface SearchHistory {
  readonly trials: Awaited<ReturnType<typeof readTrials>>
  readonly reports: readonly ReportRow[]
}

/** What a campaign has done when it is planned anew. */
export interface Begun {
  readonly created: number
  /** Its space is not the one it was submitted with. */
  readonly respaced: boolean
}

interface PlanRefusal {
  readonly ok: false
  readonly code: ProblemCode
  readonly detail: string
}

export interface CampaignPlan {
  readonly ok: true
  readonly spaceSize: number | null // null: a continuum
  readonly experiments: number
  readonly limit: Limit
  readonly fuelMax: number // of one run
  readonly pruner: Pruner
  /** Recipes are proposed one after the other, and others may be added. */
  readonly isSearched: boolean
  recipes(): Iterable<{ readonly ok: true; readonly ordinal: number; readonly recipe: Recipe } | PlanRefusal>
}

interface RunSource {
  readonly file: CampaignFile
  readonly manifest: KernelManifest
  readonly moduleSha256: Sha256
  readonly data: readonly Sha256[]
}

export interface Run {
  readonly job: string
  readonly runKey: Sha256
  readonly seed: number
}
