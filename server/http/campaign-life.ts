import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { revise as decideRevision } from '#domain/revision.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { REVISIONS_MAX } from '#protocol/limits.ts'
import { ReviseBody, type RevisionList, type RevisionView, StopBody } from '#protocol/revisions.ts'
import { type Instant, type TokenId, toWire } from '#protocol/units.ts'
import {
  type Act,
  endCampaign,
  findRevision,
  listRevisions,
  pauseCampaign,
  resumeCampaign,
  reviseCampaign,
} from '#store/campaign-life.ts'
import { type CampaignRow, findCampaign, lockCampaign } from '#store/campaigns.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { keyIdOf, requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { type CheckedCampaign, checkCampaign } from './campaign-plan.ts'
import { viewCampaign } from './campaign-view.ts'
import { assertRoom, campaignOf } from './campaigns.ts'
import { refuseCredit } from './credits.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import { isDryRun, rehearse } from './rehearse.ts'

/** POST /campaigns/:id/pause: nothing more is created or handed out; what hosts are computing still counts. */
export const pause = (edge: Edge): RequestHandler => change(edge, 'paused', () => pauseCampaign)

/** POST /campaigns/:id/resume */
export const resume = (edge: Edge): RequestHandler => change(edge, 'running', () => resumeCampaign)

/** POST /campaigns/:id/stop: ends it. What hosts are computing still counts; what is not spent comes back. */
export const stop = (edge: Edge): RequestHandler =>
  change(edge, 'cancelled', req => {
    const body = bodyOf(req)
    const { reason = null } = parse(StopBody, body.length === 0 ? {} : parseJson(body))
    return (trx, act) => endCampaign(trx, { ...act, reason })
  })

type Do = (trx: Trx, act: Act) => Promise<boolean>

/** An act of the campaign's owner or an administrator. Done twice it is done once: it answers the same. */
function change(edge: Edge, becomes: CampaignRow['state'], actOf: (req: Request) => Do): RequestHandler {
  return async (req, res) => {
    const { campaign, author: by } = await ownOf(edge, req)
    const act = actOf(req)
    const changed = await inTransaction(edge.knex, async trx => {
      if (!(await act(trx, { id: campaign.id, by, now: edge.now() }))) return false
      await edge.wake.campaigns(trx, [campaign.id])
      return true
    })
    const after = await campaignOf(edge, req)
    if (!changed && after.state !== becomes) throw new Refused('campaign_ended', `it is ${after.state}`)
    res.json(await viewCampaign(edge.knex, after, edge.trust.rules))
  }
}

/** The campaign that the path names, if the caller may change it. */
async function ownOf(
  edge: Edge,
  req: Request,
): Promise<{ campaign: CampaignRow; author: 'owner' | 'operator'; keyId: TokenId | null }> {
  const bearer = await requireScope(edge, req, 'campaign')
  const campaign = await campaignOf(edge, req)
  if (campaign.ownerId === bearer.userId) return { campaign, author: 'owner', keyId: keyIdOf(bearer) }
  if (bearer.scopes.includes('admin')) return { campaign, author: 'operator', keyId: null }
  throw new Refused('scope_missing', 'this campaign is another user’s')
}

/** PUT /campaigns/:id: its next file; see `revise` of the domain for what may change. Takes `dry_run=true`. */
export function revise(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { campaign, author, keyId } = await ownOf(edge, req)
    const { expected, reason, file } = parse(ReviseBody, parseJson(bodyOf(req)), 'campaign_invalid')
    assertRevisable(campaign, { file, expected })
    const checked = await checkCampaign(edge.knex, edge.planner, file, begunUnder(campaign, file))
    const now = edge.now()
    const act = async (trx: Trx): Promise<CampaignView> => {
      const locked = await lockCampaign(trx, campaign.id)
      if (locked === undefined) throw new Error('campaigns stay')
      await apply(trx, locked, { checked, expected, author, keyId, reason, now })
      await edge.wake.campaigns(trx, [campaign.id])
      const revised = await findCampaign(trx, campaign.id)
      if (revised === undefined) throw new Error('campaigns stay')
      return viewCampaign(trx, revised, edge.trust.rules)
    }
    if (isDryRun(req)) {
      const { quote } = checked
      return void res.json(await rehearse(edge, { payerId: campaign.ownerId, keyId, quote, act }))
    }
    res.json(await inTransaction(edge.knex, act))
    edge.log.info({ campaignId: campaign.id, revision: expected + 1 }, 'a campaign was revised')
  }
}

interface Asked {
  readonly checked: CheckedCampaign
  readonly expected: number
  readonly author: 'owner' | 'operator'
  readonly keyId: TokenId | null
  readonly reason: string
  readonly now: Instant
}

async function apply(
  trx: Trx,
  campaign: CampaignRow,
  { checked, expected, author, keyId, reason, now }: Asked,
) {
  const { file, quote } = checked
  const { respaced } = assertRevisable(campaign, { file, expected })
  const { reserveMilli } = quote
  const made = await reviseCampaign(trx, {
    ...{ campaign, file, author, reason, respaced, reserveMilli, keyId, now },
  })
  if (made === 'too_many')
    throw new Refused('revision_invalid', `a campaign has ${REVISIONS_MAX} revisions at most`)
  if (made !== 'revised') refuseCredit(made)
  if (file.budget.runs > campaign.file.budget.runs) await assertRoom(trx, campaign.ownerId)
}

function assertRevisable(campaign: CampaignRow, asked: { file: CheckedCampaign['file']; expected: number }) {
  if (campaign.state !== 'running' && campaign.state !== 'paused') throw new Refused('campaign_ended')
  if (campaign.revision !== asked.expected)
    throw new Refused('revision_conflict', `it is at revision ${campaign.revision}`)
  const decision = decideRevision(campaign.file, asked.file, { created: proposedOf(campaign) })
  if (!decision.ok) throw new Refused('revision_invalid', decision.detail)
  return decision
}

/** Without what the agent added to answer a question, which is no run of the budget. */
const proposedOf = ({ file, experimentsPlanned, experimentsCreated }: CampaignRow): number =>
  experimentsCreated - (experimentsPlanned - file.budget.runs)

function begunUnder(campaign: CampaignRow, file: CheckedCampaign['file']) {
  const { experimentsCreated: created } = campaign
  const decision = decideRevision(campaign.file, file, { created: proposedOf(campaign) })
  return { created, respaced: campaign.respaced || (decision.ok && decision.respaced) }
}

/** GET /campaigns/:id/revisions */
export function showRevisions(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id } = await campaignOf(edge, req)
    const revisions = await listRevisions(edge.knex, id)
    const view: RevisionList = { revisions: revisions.map(row => ({ ...row, at: toWire(row.at) })) }
    res.json(view)
  }
}

const RevisionNumber = z.union([z.literal('latest'), z.coerce.number().int().min(1).max(REVISIONS_MAX)])

/** GET /campaigns/:id/revisions/:number */
export function showRevision(edge: Edge): RequestHandler {
  return async (req, res) => {
    const campaign = await campaignOf(edge, req)
    const number = parse(RevisionNumber, req.params.number, 'not_found')
    const found = await findRevision(edge.knex, campaign.id, number === 'latest' ? campaign.revision : number)
    if (found === undefined) throw new Refused('not_found', `revision ${number}`)
    const view: RevisionView = { ...found, at: toWire(found.at) }
    res.json(view)
  }
}
