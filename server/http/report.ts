import type { RequestHandler } from 'express'
import { z } from 'zod'
import { ANALYSIS_PARTS, type AnalysisView } from '#protocol/analysis.ts'
import type { CampaignFile, Leaderboard } from '#protocol/campaign.ts'
import type { InteractionView } from '#protocol/interaction.ts'
import type { ReportView } from '#protocol/report-view.ts'
import { type Dimension, proposersOf } from '#protocol/space.ts'
import { type CampaignId, ExperimentId, toWire } from '#protocol/units.ts'
import type { Facts } from '#report/facts.ts'
import { type Report, writeReport } from '#report/report.ts'
import { readFinalRuns } from '#store/analysis.ts'
import { listRevisions } from '#store/campaign-life.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import { datasetsByHash } from '#store/datasets.ts'
import type { Histories } from '#store/histories.ts'
import { findInteraction } from '#store/interactions.ts'
import { newestNotes } from '#store/notes.ts'
import { readRecipes, readRuns, readTests } from '#store/tests.ts'
import { withheldOf } from '#store/withheld.ts'
import type { Analyses } from './analyses.ts'
import { analyseCampaign } from './analysis.ts'
import { viewCampaign, viewLeaderboard } from './campaign-view.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { viewInteraction } from './interaction.ts'
import { newKept } from './kept.ts'
import { viewNote } from './notes.ts'
import { parse, Refused } from './problem.ts'
import { searchViewOf } from './search.ts'
import { viewAgreement } from './study.ts'
import { baselineOf, viewComparison, viewTests } from './tests.ts'

// The figures of a report are asked for one by one, and belong to one moment.
const KEPT_MS = 10_000
const KEPT_MAX = 16
const NOTES_MAX = 20

/** What answers for reports: all files of one at once, or one of them. */
export interface ReportRoutes {
  readonly show: RequestHandler
  readonly file: RequestHandler
}

const FileName = z.string().regex(/^[a-z][a-z0-9_-]{0,60}\.(md|svg)$/)

/** GET /campaigns/:id/report and /campaigns/:id/report/:file */
export function reportRoutes(edge: Edge, analyses: Analyses, histories: Histories): ReportRoutes {
  const kept = newKept<CampaignId, Report & { readonly at: string }>(edge.now, {
    forMs: KEPT_MS,
    most: KEPT_MAX,
  })
  const reportOf = (campaign: CampaignRow) =>
    kept.get(campaign.id, campaign.revision, async () => {
      const facts = await gather({ edge, analyses, histories }, campaign)
      return { ...writeReport(facts), at: facts.at }
    })
  return {
    show: async (req, res) => {
      const campaign = await campaignOf(edge, req)
      const { at, markdown, figures } = await reportOf(campaign)
      const view: ReportView = {
        ...{ campaignId: campaign.id, revision: campaign.revision, at },
        files: [
          { name: 'report.md', text: markdown },
          ...figures.map(({ name, svg }) => ({ name, text: svg })),
        ],
      }
      res.json(view)
    },
    file: async (req, res) => {
      const name = parse(FileName, req.params.file, 'not_found')
      const { markdown, figures } = await reportOf(await campaignOf(edge, req))
      if (name === 'report.md') return void res.type('text/markdown').send(markdown)
      const figure = figures.find(each => each.name === name)
      if (figure === undefined) throw new Refused('not_found', `the report has no ${name}`)
      // A figure has its styles in it, and needs nothing else.
      res.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      res.type('image/svg+xml').send(figure.svg)
    },
  }
}

interface Sources {
  readonly edge: Edge
  readonly analyses: Analyses
  readonly histories: Histories
}

/** Everything a report is made of. */
async function gather({ edge, analyses, histories }: Sources, campaign: CampaignRow): Promise<Facts> {
  const { knex, trust } = edge
  const at = toWire(edge.now())
  const [dataset] = await datasetsByHash(knex, [campaign.datasetSha256])
  if (dataset === undefined) throw new Error('the data set of a campaign is stored')
  const parts = new Set(ANALYSIS_PARTS.filter(part => part !== 'points'))
  const analysis = await analyseCampaign({ edge, analyses, campaign }, { parts })
  const runs = await readRuns(knex, campaign.id)
  const withheld = new Set(await withheldOf(knex, campaign, trust.rules))
  const leaderboard = await viewLeaderboard(knex, campaign, dataset, trust.rules)
  const baselineId = baselineOf(runs)
  const sides = comparedIn(leaderboard, baselineId)
  const comparisons = []
  for (const { against, a, b } of sides)
    if (!withheld.has(a) && !withheld.has(b))
      comparisons.push({ against, view: await viewComparison(knex, { campaign, runs, withheld }, { a, b }) })
  const asked = interactionsOf(campaign.file, analysis)
  // Of no use otherwise, and of a large campaign they are many.
  const varied = asked.length === 0 ? [] : [...new Set(runs.map(run => run.experimentId))]
  const recipes = await readRecipes(knex, varied)
  const question = campaign.file.interaction
  const row = question === undefined ? undefined : await findInteraction(knex, campaign.id, question)
  const interactions = asked
    .map(names => {
      const isAsked = names.best === row?.best && names.by === row.by
      return viewInteraction({ campaign, runs, recipes, withheld, row: isAsked ? row : undefined }, names)
    })
    .filter(({ verdict, test }: InteractionView) => test !== null || verdict !== 'not_measured')
  const behind = new Set([...rankedIn(leaderboard).slice(0, 1), ...sides.flatMap(({ a, b }) => [a, b])])
  const experimentIds = [...behind].filter(id => !withheld.has(id))
  const several = proposersOf(campaign.file.sampler).length > 1
  const searched = several ? await searchViewOf(edge, { histories, campaign, limit: 1 }) : undefined
  const revisions = await listRevisions(knex, campaign.id)
  const notes = await newestNotes(knex, { campaignId: campaign.id, limit: NOTES_MAX })
  return {
    ...{ at, file: campaign.file, analysis, leaderboard, baselineId, comparisons, interactions },
    proposers: searched?.proposers ?? [],
    campaign: await viewCampaign(knex, campaign, trust.rules),
    tests: viewTests(campaign, { tests: await readTests(knex, campaign.id), runs, withheld }),
    agreement: await viewAgreement(edge, campaign),
    revisions: revisions.map(revision => ({ ...revision, at: toWire(revision.at) })),
    notes: notes.map(note => viewNote(campaign.id, note, withheld)),
    runs: await readFinalRuns(knex, { campaignId: campaign.id, experimentIds }),
  }
}

/** Experiments with a value and without a diverged seed, best first. */
const rankedIn = ({ rows }: Leaderboard): ExperimentId[] =>
  rows
    .filter(({ mean, diverged }) => mean !== null && diverged === 0)
    .map(({ experimentId }) => ExperimentId.parse(experimentId))

/** The best experiment beside the unchanged recipe and the next best. */
function comparedIn(leaderboard: Leaderboard, baselineId: ExperimentId | null) {
  const [best, ...others] = rankedIn(leaderboard)
  if (best === undefined) return []
  const next = others.find(id => id !== baselineId)
  return [
    ...(baselineId !== null && baselineId !== best
      ? [{ against: 'the unchanged recipe', a: best, b: baselineId }]
      : []),
    ...(next === undefined ? [] : [{ against: 'the next best', a: best, b: next }]),
  ]
}

const LEVELS_MAX = 16
const PARAMETERS_MAX = 3

/** What the file asks, then pairs among the parameters that matter most and have few values: where values repeat, an interaction can be measured. */
function interactionsOf(file: CampaignFile, { importance }: AnalysisView): { best: string; by: string }[] {
  const order = importance?.parameters?.map(({ name }) => name) ?? Object.keys(file.space).sort()
  const few = order
    .filter(name => {
      const dimension = file.space[name]
      return dimension !== undefined && levelsOf(dimension, file) <= LEVELS_MAX
    })
    .slice(0, PARAMETERS_MAX)
  const pairs = few.flatMap((best, i) => few.slice(i + 1).map(by => ({ best, by })))
  const { interaction: asked } = file
  if (asked === undefined) return pairs
  const isAsked = (names: { best: string; by: string }) =>
    names.best === asked.best ? names.by === asked.by : names.best === asked.by && names.by === asked.best
  return [{ best: asked.best, by: asked.by }, ...pairs.filter(names => !isAsked(names))]
}

function levelsOf(dimension: Dimension, { sampler }: CampaignFile): number {
  if ('choice' in dimension) return dimension.choice.length
  if ('int' in dimension) return Math.floor((dimension.int[1] - dimension.int[0]) / (dimension.step ?? 1)) + 1
  return sampler.name === 'grid' ? (dimension.points ?? Infinity) : Infinity
}
