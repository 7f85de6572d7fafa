import { setImmediate as breathe } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import { ANALYSIS_PARTS, type AnalysisPart, AnalysisQuery, type AnalysisView } from '#protocol/analysis.ts'
import { ANALYSIS_POINTS_MAX } from '#protocol/limits.ts'
import { toWire } from '#protocol/units.ts'
import { readCurves } from '#store/analysis.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import type { Analyses } from './analyses.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import type { Analysis } from './planner.ts'
import { parse, Refused } from './problem.ts'

const POINTS_DEFAULT = 2_000

interface Wanted {
  readonly parts: ReadonlySet<AnalysisPart>
  readonly x?: string | undefined
  readonly y?: string | undefined
  readonly limit?: number | undefined
}

/** GET /campaigns/:id/analysis?part=&x=&y=&limit= */
export function showAnalysis(edge: Edge, analyses: Analyses): RequestHandler {
  return async (req, res) => {
    const { part, ...rest } = parse(AnalysisQuery, req.query)
    const campaign = await campaignOf(edge, req)
    const foreign = [rest.x, rest.y].find(
      name => name !== undefined && !Object.hasOwn(campaign.file.space, name),
    )
    if (foreign !== undefined) throw new Refused('bad_request', `${foreign}: the campaign does not vary it`)
    if (rest.x !== undefined && rest.x === rest.y)
      throw new Refused('bad_request', 'y: a contour needs two different parameters')
    const parts = new Set(part ?? ANALYSIS_PARTS.filter(name => name !== 'points'))
    res.json(await analyseCampaign({ edge, analyses, campaign }, { parts, ...rest }))
  }
}

interface Source {
  readonly edge: Edge
  readonly analyses: Analyses
  readonly campaign: CampaignRow
}

/** The analysis of a campaign, as far as it is wanted, of what everybody may see. */
export async function analyseCampaign(
  { edge, analyses, campaign }: Source,
  wanted: Wanted,
): Promise<AnalysisView> {
  const { metric, replicate } = campaign.file
  const { analysis, created, withheld, at } = await analyses.of(campaign)
  const { experiments } = analysis
  return {
    ...{ campaignId: campaign.id, revision: campaign.revision, metric, seeds: replicate.seeds },
    at: toWire(at),
    experiments: { ...experiments, created, withheld },
    ...(await partsOf(edge, campaign, { analysis, wanted })),
  }
}

// Each part takes milliseconds; between them others get their turn.
async function partsOf(
  edge: Edge,
  campaign: CampaignRow,
  { analysis, wanted }: { readonly analysis: Analysis; readonly wanted: Wanted },
): Promise<Partial<AnalysisView>> {
  const view: Partial<AnalysisView> = {}
  for (const part of ANALYSIS_PARTS.filter(name => wanted.parts.has(name))) {
    if (part === 'best-so-far') view.bestSoFar = analysis.bestSoFar()
    if (part === 'importance') view.importance = analysis.importance()
    if (part === 'slices') view.slices = analysis.slices()
    if (part === 'contour') view.contour = analysis.contour({ x: wanted.x, y: wanted.y }) ?? null
    if (part === 'curves') view.curves = await curvesOf(edge, campaign, analysis)
    if (part === 'pareto') view.pareto = analysis.pareto()
    if (part === 'residuals') view.residuals = analysis.residuals()
    if (part === 'points')
      view.points = analysis.points(Math.min(ANALYSIS_POINTS_MAX, wanted.limit ?? POINTS_DEFAULT))
    await breathe()
  }
  return view
}

async function curvesOf(
  edge: Edge,
  campaign: CampaignRow,
  analysis: Analysis,
): Promise<NonNullable<AnalysisView['curves']>> {
  const chosen = analysis.curvesWanted()
  const points = await readCurves(
    edge.knex,
    campaign.id,
    chosen.map(({ resultId }) => resultId),
  )
  return {
    method: 'The best seed of the 8 best experiments, and of 16 others evenly over the ranks.',
    n: analysis.experiments.finished,
    curves: chosen.map(each => ({ ...each, points: points.get(each.resultId) ?? [] })),
  }
}
