import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignFile, CampaignView, Leaderboard } from '#protocol/campaign.ts'
import type { InteractionView } from '#protocol/interaction.ts'
import type { Recipe } from '#protocol/job.ts'
import type { NoteView } from '#protocol/notes.ts'
import type { RevisionList } from '#protocol/revisions.ts'
import type { SearchView } from '#protocol/search.ts'
import type { AgreementView } from '#protocol/study.ts'
import type { CompareView, TestList } from '#protocol/tests.ts'
import { code } from './text.ts'

/** A final run behind the answer. */
export interface ReportedRun {
  readonly experimentId: string
  readonly seedIndex: number
  readonly status: string
  readonly value: number | null
  readonly resultId: string
}

/** All that a report is made of: what anyone may read over HTTP, at one moment. */
export interface Facts {
  readonly at: string
  readonly campaign: CampaignView
  readonly file: CampaignFile
  readonly analysis: AnalysisView
  readonly leaderboard: Leaderboard
  readonly tests: TestList
  /** The unchanged recipe, where the campaign ran it. */
  readonly baselineId: string | null
  /** Of the best experiment with others, by name. */
  readonly comparisons: readonly { readonly against: string; readonly view: CompareView }[]
  readonly interactions: readonly InteractionView[]
  /** What came of the experiments of each proposer; empty where there is one. */
  readonly proposers: NonNullable<SearchView['proposers']>
  /** Of a study; null: it is none. */
  readonly agreement: AgreementView | null
  readonly revisions: RevisionList['revisions']
  /** The newest, oldest first. */
  readonly notes: readonly NoteView[]
  readonly runs: readonly ReportedRun[]
}

type Row = Leaderboard['rows'][number]

/** The first row of the leaderboard, if it has a value. */
export const bestOf = ({ leaderboard }: Facts): Row | undefined =>
  leaderboard.rows.find(row => row.mean !== null && row.diverged === 0)

/** What the campaign varies of a recipe; all of it where that is nothing. */
export function recipeCode({ space }: CampaignFile, recipe: Recipe): string {
  const names = Object.keys(recipe).filter(name => Object.hasOwn(space, name))
  const shown = names.length > 0 ? names : Object.keys(recipe)
  return code(
    shown
      .sort()
      .map(name => `${name}=${recipe[name]}`)
      .join(' '),
  )
}
