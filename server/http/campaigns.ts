import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { CampaignFile, type CampaignView, type ValidateReply } from '#protocol/campaign.ts'
import { CAMPAIGNS_OPEN_MAX, EXPERIMENTS_OPEN_MAX } from '#protocol/limits.ts'
import { addMs, CampaignId, type Instant, type TokenId, type UserId } from '#protocol/units.ts'
import { setAside } from '#store/account-credit.ts'
import { countOpen } from '#store/campaign-life.ts'
import { type CampaignRow, findByIdempotencyKey, findCampaign, insertCampaign } from '#store/campaigns.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { countMatchingHosts } from '#store/hosts.ts'
import { insertStudy } from '#store/studies.ts'
import { keyIdOf, requireScope } from './auth.ts'
import { bodyOf, parseJson, sha256Of } from './body.ts'
import { type CheckedCampaign, checkCampaign, firstRuns } from './campaign-plan.ts'
import { viewCampaign } from './campaign-view.ts'
import { refuseCredit } from './credits.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

const MIB_PER_PAGE = 1 / 16
const HOUR_MS = 3600_000

/** POST /campaigns/validate: what a campaign would do and cost. Changes nothing. */
export function validateCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'campaign', 'propose')
    const file = parse(CampaignFile, parseJson(bodyOf(req)), 'campaign_invalid')
    const checked = await checkCampaign(edge.knex, edge.planner, file)
    const reply: ValidateReply = {
      valid: true,
      spaceSize: checked.plan.spaceSize,
      quote: checked.quote,
      hostsMatching: await countMatchingHosts(edge.knex, {
        engineClass: checked.kernel.manifest.engine,
        memoryMiB: Math.ceil(checked.kernel.manifest.memoryPagesMax * MIB_PER_PAGE),
        ownerId: bearer.userId,
        since: addMs(edge.now(), -HOUR_MS),
      }),
      firstRuns: await firstRuns(edge.planner, checked),
    }
    res.json(reply)
  }
}

const IdempotencyKey = z.string().min(1).max(200).optional()

interface Submission {
  readonly ownerId: UserId
  readonly keyId: TokenId | null
  readonly idempotencyKey: string | null
  readonly body: Buffer
  readonly now: Instant
}

/**
 * POST /campaigns: reserves the quote and starts the campaign, in one transaction. The same Idempotency-Key with the same
 * body answers with the campaign that it made before.
 */
export function submitCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'campaign')
    const idempotencyKey =
      parse(z.object({ 'idempotency-key': IdempotencyKey }), req.headers)['idempotency-key'] ?? null
    const body = bodyOf(req)
    const submission = {
      ...{ ownerId: bearer.userId, keyId: keyIdOf(bearer), idempotencyKey, body, now: edge.now() },
    }
    const before = await findSame(edge, submission)
    if (before !== undefined) return void res.json(before)
    const file = parse(CampaignFile, parseJson(body), 'campaign_invalid')
    const checked = await checkCampaign(edge.knex, edge.planner, file)
    const created = await startOnce(edge, submission, checked)
    if (created === undefined) return void res.json(await findSame(edge, submission)) // lost a race against itself
    edge.log.info({ campaignId: created.id, title: file.title }, 'a campaign was submitted')
    res.status(201).location(`/api/v1/campaigns/${created.id}`).json(created)
  }
}

async function startOnce(edge: Edge, submission: Submission, checked: CheckedCampaign) {
  try {
    return await inTransaction(edge.knex, trx => start(edge, trx, submission, checked))
  } catch (error) {
    if (error instanceof KeyTaken) return undefined
    throw error
  }
}

/** Rolls back a submission whose idempotency key another call used a moment earlier. */
class KeyTaken extends Error {}

async function findSame(edge: Edge, { ownerId, idempotencyKey, body }: Submission) {
  if (idempotencyKey === null) return undefined
  const before = await findByIdempotencyKey(edge.knex, ownerId, idempotencyKey)
  if (before === undefined) return undefined
  if (before.bodySha256 !== sha256Of(body)) throw new Refused('idempotency_conflict')
  return viewCampaign(edge.knex, before, edge.trust.rules)
}

async function start(
  edge: Edge,
  trx: Trx,
  { ownerId, keyId, idempotencyKey, body, now }: Submission,
  { file, kernel, dataset, quote, study }: CheckedCampaign,
): Promise<CampaignView> {
  const id = edge.ids.campaign(now)
  const outcome = await insertCampaign(trx, {
    ...{ id, ownerId, file, idempotencyKey, now },
    kernelSha256: kernel.moduleSha256,
    datasetSha256: dataset.sha256,
    experimentsPlanned: quote.experiments,
    priceMilliPerGfuel: quote.priceMilliPerGfuel,
    reservedMilli: quote.reserveMilli,
    bodySha256: sha256Of(body),
  })
  if (outcome === 'key_taken') throw new KeyTaken()
  if (study !== undefined) await insertStudy(trx, id, study)
  const amountMilli = quote.reserveMilli
  const fault = await setAside(trx, { campaignId: id, userId: ownerId, keyId, amountMilli, now })
  if (fault !== undefined) refuseCredit(fault)
  const open = await countOpen(trx, ownerId) // with the account locked: of two submissions one counts the other
  if (open.campaigns > CAMPAIGNS_OPEN_MAX || open.experiments > EXPERIMENTS_OPEN_MAX)
    throw new Refused(
      'campaign_limit',
      `${CAMPAIGNS_OPEN_MAX} campaigns, ${EXPERIMENTS_OPEN_MAX} experiments`,
    )
  await edge.wake.campaigns(trx, [id])
  const row = await findCampaign(trx, id)
  if (row === undefined) throw new Error('a campaign is there after its insertion')
  return viewCampaign(trx, row, edge.trust.rules)
}

/** The campaign that the path names; throws `Refused` (not_found). */
export async function campaignOf(edge: Edge, req: Request): Promise<CampaignRow> {
  const id = parse(CampaignId, req.params.id, 'not_found')
  const campaign = await findCampaign(edge.knex, id)
  if (campaign === undefined) throw new Refused('not_found', `campaign ${id}`)
  return campaign
}
