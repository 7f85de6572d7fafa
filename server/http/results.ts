import type { RequestHandler } from 'express'
import { z } from 'zod'
import { CORPUS_COLUMNS, csvHeader, csvLine, ndjsonLine } from '#domain/corpus-table.ts'
import type { ResultView } from '#protocol/campaign.ts'
import type { CorpusRow } from '#protocol/corpus.ts'
import { RunReport } from '#protocol/report.ts'
import { ExperimentId, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { CampaignRow } from '#store/campaigns.ts'
import { readCorpusPage } from '#store/corpus-rows.ts'
import { inSnapshot } from '#store/database.ts'
import {
  findResult,
  findResultOfExperiment,
  findResultOfUnit,
  type PublishedResult,
} from '#store/published.ts'
import { withheldOf } from '#store/withheld.ts'
import { runPlan } from './campaign-plan.ts'
import { campaignOf } from './campaigns.ts'
import type { Catalogue } from './catalogue.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import { stream } from './stream.ts'

/** GET /results/:id, for a result, a work unit or an experiment: what was computed, and everything to compute it again. */
export function showResult(edge: Edge, catalogue: Catalogue): RequestHandler {
  return async (req, res) => {
    const found = await find(edge, req.params.id)
    if (found === undefined) throw new Refused('not_found', `result ${req.params.id}`)
    if (!found.published) throw new Refused('embargoed')
    if (found.report === null || found.digest === null)
      throw new Refused('not_found', `${found.resultId} ended without a report`)
    const kernel = await catalogue.kernel(edge.knex, found.kernelSha256)
    const dataset = await catalogue.dataset(edge.knex, found.datasetSha256)
    const report = RunReport.parse(JSON.parse(found.report))
    const { resultId, workUnitId, experimentId, campaignId, digest, engineClass } = found
    // To compute it again is to compute it exactly, wherever it was computed.
    const isNative = engineClass !== 'wasm'
    const run = { job: found.job, runKey: (isNative ? found.exactKey : null) ?? found.runKey }
    const fuelMax = isNative ? kernel.manifest.bounds.fuelMax : found.fuelMax
    const view: ResultView = {
      ...{ resultId, workUnitId, experimentId, campaignId, digest },
      plan: runPlan({ run, kernel, dataset, fuelMax }),
      status: report.status,
      metric: report.metric,
      provisional: found.provisional,
      ...{ engineClass, exactness: found.exactness },
      answeredFrom: found.answeredFrom,
      report,
    }
    res.json(view)
  }
}

async function find(edge: Edge, id: unknown): Promise<PublishedResult | undefined> {
  const result = ResultId.safeParse(id)
  if (result.success) return findResult(edge.knex, result.data)
  const unit = WorkUnitId.safeParse(id)
  const experiment = ExperimentId.safeParse(id)
  const found = unit.success
    ? await findResultOfUnit(edge.knex, unit.data)
    : experiment.success
      ? await findResultOfExperiment(edge.knex, experiment.data)
      : undefined
  // A unit that failed is published without an answer.
  return found?.published && !found.canonical ? undefined : found
}

const ExportQuery = z.strictObject({ format: z.enum(['ndjson', 'csv']).default('ndjson') })
const CONTENT_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const

/**
 * GET /campaigns/:id/export?format=: every published run of a campaign as of now, failures included, streamed page by page. As on
 * the leaderboard, what would lead is left out until the verifier has seen it. Files with checksums: POST /campaigns/:id/exports.
 */
export function exportCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { format } = parse(ExportQuery, req.query)
    const campaign = await campaignOf(edge, req)
    const first = await readPage(edge, campaign, '')
    res.setHeader('content-type', CONTENT_TYPES[format])
    res.setHeader('content-disposition', `attachment; filename="${campaign.id}.${format}"`)
    await stream(res, linesOf(format, allRows(edge, campaign, first)))
  }
}

async function* linesOf(format: 'ndjson' | 'csv', rows: AsyncIterable<CorpusRow>): AsyncGenerator<string> {
  if (format === 'csv') yield csvHeader(CORPUS_COLUMNS)
  for await (const row of rows) yield format === 'csv' ? csvLine(CORPUS_COLUMNS, row) : ndjsonLine(row)
}

const ROWS_PER_PAGE = 500

async function* allRows(edge: Edge, campaign: CampaignRow, first: CorpusRow[]): AsyncGenerator<CorpusRow> {
  for (let page = first; page.length > 0; ) {
    yield* page
    const after = page.at(-1)?.workUnitId ?? ''
    page = page.length < ROWS_PER_PAGE ? [] : await readPage(edge, campaign, after)
  }
}

/** What is withheld is read with the rows: a run that comes to lead while somebody reads slowly is not told of. */
const readPage = (edge: Edge, campaign: CampaignRow, after: string): Promise<CorpusRow[]> =>
  inSnapshot(edge.knex, async trx => {
    const withheld = await withheldOf(trx, campaign, edge.trust.rules)
    const scope = { campaignId: campaign.id, from: null, until: null }
    return readCorpusPage(trx, { ...scope, withheld, after, limit: ROWS_PER_PAGE })
  })
