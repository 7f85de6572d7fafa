import type { RequestHandler } from 'express'
import { isNewEnough, monthOf, scopeName } from '#domain/exports.ts'
import { ExportBody, type ExportList, type ExportScope, type ExportView } from '#protocol/exports.ts'
import { EXPORTS_KEPT } from '#protocol/limits.ts'
import { ExportId, toWire } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { readExportState } from '#store/export-state.ts'
import { type ExportRow, findExport, insertExport, listExports } from '#store/exports.ts'
import { bodyOf, parseJson } from './body.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/**
 * POST /campaigns/:id/exports: the files of what the campaign has published; a job makes them. Asking again while nothing has
 * changed gives the same export.
 */
export function exportOfCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id, state } = await campaignOf(edge, req)
    const isOver = state === 'finished' || state === 'cancelled'
    res.json(await request(edge, { campaignId: id }, isOver))
  }
}

/** GET /campaigns/:id/exports, newest first */
export function showExports(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id } = await campaignOf(edge, req)
    const view: ExportList = { exports: (await listExports(edge.knex, id, EXPORTS_KEPT)).map(viewOf) }
    res.json(view)
  }
}

/** POST /corpus/exports: the same of everything that was published in a month. */
export function exportOfMonth(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { period } = parse(ExportBody, parseJson(bodyOf(req)))
    if (monthOf(period).from > edge.now()) throw new Refused('bad_request', `period: ${period} has not begun`)
    res.json(await request(edge, { period }, false))
  }
}

/** GET /exports/:id */
export function showExport(edge: Edge): RequestHandler {
  return async (req, res) => {
    const id = parse(ExportId, req.params.id, 'not_found')
    const found = await findExport(edge.knex, id)
    if (found === undefined) throw new Refused('not_found', `export ${id}`)
    res.json(viewOf(found))
  }
}

async function request(edge: Edge, scope: ExportScope, isOver: boolean): Promise<ExportView> {
  const now = edge.now()
  const name = scopeName(scope)
  const [newest] = await listExports(edge.knex, name, 1)
  if (newest !== undefined && isNewEnough(newest, { isOver, now })) return viewOf(newest)
  const state = await readExportState(edge.knex, scope, edge.trust.rules)
  if (newest?.stateSha256 != null && newest.stateSha256 === state?.stateSha256) return viewOf(newest)
  const campaignId = 'period' in scope ? null : scope.campaignId
  const row = await inTransaction(edge.knex, async trx => {
    const id = edge.ids.export(now)
    if (await insertExport(trx, { id, scope: name, campaignId, now })) await edge.wake.exports(trx, [id])
    return (await listExports(trx, name, 1))[0] // of two who ask at once both get the one
  })
  if (row === undefined) throw new Error('an export is there after its insertion')
  return viewOf(row)
}

function viewOf({
  id,
  scope,
  campaignId,
  requestedAt,
  builtAt,
  failedAt,
  rows,
  detail,
  files,
}: ExportRow): ExportView {
  return {
    id,
    scope: campaignId === null ? { period: scope } : { campaignId },
    state: builtAt !== null ? 'ready' : failedAt !== null ? 'failed' : 'building',
    requestedAt: toWire(requestedAt),
    builtAt: builtAt === null ? null : toWire(builtAt),
    ...{ rows, detail, files },
  }
}
