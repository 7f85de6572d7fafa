import { setImmediate as breathe } from 'node:timers/promises'
import type { CampaignId, Instant } from '#protocol/units.ts'
import { type AnalysisRow, readAnalysisRows } from '#store/analysis.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import { withheldOf } from '#store/withheld.ts'
import type { Edge } from './edge.ts'
import { newKept } from './kept.ts'
import type { Analysis } from './planner.ts'

/** What everybody may see of a campaign, ready to be analysed. */
export interface Basis {
  readonly analysis: Analysis
  readonly created: number
  readonly withheld: number
  readonly at: Instant // as of when
}

/** Analyses of campaigns; those of large ones are kept for a moment, and calls at the same time share one. */
export interface Analyses {
  of(campaign: CampaignRow): Promise<Basis>
}

// Rows of a page are read and checked in some tens of milliseconds.
const ROWS_PER_PAGE = 1_000
// A plot that is ten seconds old says the same; a small campaign is read in no time, and its readers want to see each result.
const KEPT_MS = 10_000
const KEPT_ROWS_MIN = 1_000
/** Of so many campaigns at a time: an analysis of 10,000 experiments holds some 10 MB. */
const KEPT_MAX = 8

/** For the life of one process. */
export function newAnalyses(edge: Edge): Analyses {
  const kept = newKept<CampaignId, Basis>(edge.now, { forMs: KEPT_MS, most: KEPT_MAX })
  return {
    of: campaign => {
      const compute = () => readBasis(edge, campaign)
      if (campaign.experimentsCreated < KEPT_ROWS_MIN) return compute()
      return kept.get(campaign.id, campaign.revision, compute)
    },
  }
}

async function readBasis(edge: Edge, campaign: CampaignRow): Promise<Basis> {
  const at = edge.now()
  const rows = await readRows(edge, campaign)
  // Afterwards: what leads among the rows that were read is known as withheld by then.
  const withheld = new Set(await withheldOf(edge.knex, campaign, edge.trust.rules))
  await breathe()
  const shown = rows.filter(({ experimentId }) => !withheld.has(experimentId))
  const analysis = edge.planner.analyse(campaign.file, shown)
  return { analysis, created: rows.length, withheld: rows.length - shown.length, at }
}

async function readRows(edge: Edge, { id, file, experimentsCreated }: CampaignRow): Promise<AnalysisRow[]> {
  const rows: AnalysisRow[] = []
  const page = { campaignId: id, goal: file.metric.goal, seeds: file.replicate.seeds }
  // The unchanged recipe has an ordinal too, and more may have come meanwhile.
  for (let from = 0; from <= experimentsCreated + 1; from += ROWS_PER_PAGE) {
    rows.push(...(await readAnalysisRows(edge.knex, { ...page, from, to: from + ROWS_PER_PAGE })))
  }
  return rows
}
