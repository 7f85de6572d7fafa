import type { AnalysisOf, AnalysisView } from '#protocol/analysis.ts'
import type { CampaignFile } from '#protocol/campaign.ts'
import type { Limit, Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { SearchView } from '#protocol/search.ts'
import type { Pruner } from '#protocol/space.ts'
import type { ExperimentId, ResultId, Sha256 } from '#protocol/units.ts'
import type { AnalysisRow } from '#store/analysis.ts'
import type { PromotionRow } from '#store/proposers.ts'
import type { ReportRow, TrialRow } from '#store/search.ts'

/** Turns campaign files into runs. Its implementation is `server/search`; main.ts hands it down. */
export interface Planner {
  plan(file: CampaignFile, manifest: KernelManifest, begun?: Begun): CampaignPlan | PlanRefusal
  /** The whole run of a canonical recipe with the campaign's seed number `seedIndex`; `isPruned`: the campaign stops runs early. */
  run(
    source: RunSource,
    recipe: Recipe,
    which: { readonly seedIndex: number; readonly isPruned: boolean },
  ): Run
  /** What the sampler of a campaign knows; undefined when all recipes were known in advance. */
  state(
    file: CampaignFile,
    manifest: KernelManifest,
    known: { readonly history: SearchHistory; readonly limit: number | undefined; readonly waiting: number },
  ): SearchView | undefined
  /** The recipes nearest to a canonical one, by index, the nearest first, and how new it is, 0…1. */
  similar(
    manifest: KernelManifest,
    recipe: Recipe,
    among: { readonly tried: readonly Recipe[]; readonly count: number },
  ): {
    readonly novelty: number
    readonly neighbours: readonly { readonly index: number; readonly distance: number }[]
  }
  /** What the verified rows of a campaign say. */
  analyse(file: CampaignFile, rows: readonly AnalysisRow[]): Analysis
}

/** An analysis in the making: each part is computed when it is asked for. */
export interface Analysis {
  readonly experiments: Omit<AnalysisView['experiments'], 'withheld'>
  bestSoFar(): AnalysisOf<'bestSoFar'>
  importance(): AnalysisOf<'importance'>
  slices(): AnalysisOf<'slices'>
  /** Undefined: the campaign does not vary a parameter of that name. */
  contour(names: {
    readonly x?: string | undefined
    readonly y?: string | undefined
  }): AnalysisOf<'contour'> | undefined
  /** Whose learning curves are worth a look. */
  curvesWanted(): readonly {
    readonly experimentId: ExperimentId
    readonly resultId: ResultId
    readonly rank: number
    readonly value: number
  }[]
  pareto(): AnalysisOf<'pareto'>
  residuals(): AnalysisOf<'residuals'>
  points(limit: number): AnalysisOf<'points'>
}

interface SearchHistory {
  readonly trials: readonly TrialRow[]
  readonly reports: readonly ReportRow[]
  /** Those that stand now. */
  readonly promotions: readonly PromotionRow[]
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
  /** Computed beside what is tried; null: none. */
  readonly baseline: Recipe | null
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
