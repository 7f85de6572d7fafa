import type { Request, RequestHandler } from 'express'
import { coreHoursOf } from '#domain/core-hours.ts'
import { sha256Of } from '#domain/hash.ts'
import type { CampaignView, ValidateReply } from '#protocol/campaign.ts'
import { CAMPAIGNS_OPEN_MAX, EXPERIMENTS_OPEN_MAX } from '#protocol/limits.ts'
import { addMs, CampaignId, type Instant, type TokenId, type UserId } from '#protocol/units.ts'
import { setAside } from '#store/account-credit.ts'
import { quotaOf } from '#store/accounts.ts'
import { countOpen } from '#store/campaign-life.ts'
import { type CampaignRow, findCampaign, insertCampaign } from '#store/campaigns.ts'
import type { Trx } from '#store/database.ts'
import { countMatchingHosts } from '#store/hosts.ts'
import { measuredSpeed } from '#store/speed.ts'
import { insertStudy } from '#store/studies.ts'
import { answerOnce } from './answer-once.ts'
import { keyIdOf, requireScope, tokenOf } from './auth.ts'
import { bodyOf } from './body.ts'
import { campaignBody, onItsLine } from './campaign-body.ts'
import { type CheckedCampaign, checkCampaign, firstRuns } from './campaign-plan.ts'
import { viewCampaign } from './campaign-view.ts'
import { refuseCredit } from './credits.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import { isDryRun, rehearse } from './rehearse.ts'

const MIB_PER_PAGE = 1 / 16
const HOUR_MS = 3600_000

/** POST /campaigns/validate: what a campaign would do and cost, for anybody. Changes nothing. */
export function validateCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer =
      tokenOf(req) === undefined ? undefined : await requireScope(edge, req, 'campaign', 'propose')
    const body = campaignBody(req)
    const checked = await onItsLine(body, () => checkCampaign(edge.knex, edge.planner, body.file))
    const reply: ValidateReply = {
      valid: true,
      spaceSize: checked.plan.spaceSize,
      quote: checked.quote,
      hostsMatching: await countMatchingHosts(edge.knex, {
        engineClass: checked.kernel.manifest.engine,
        memoryMiB: Math.ceil(checked.kernel.manifest.memoryPagesMax * MIB_PER_PAGE),
        ownerId: bearer?.userId ?? null,
        since: addMs(edge.now(), -HOUR_MS),
      }),
      coreHours: coreHoursOf(
        checked.quote.fuelPlanned,
        await measuredSpeed(edge.knex, checked.kernel.moduleSha256),
      ),
      firstRuns: firstRuns(edge.planner, checked),
    }
    res.json(reply)
  }
}

interface Submission {
  readonly ownerId: UserId
  readonly keyId: TokenId | null
  readonly idempotencyKey: string | null
  readonly body: Buffer
  readonly now: Instant
}

/**
 * POST /campaigns: reserves the quote and starts the campaign, in one transaction. With `dry_run=true` it says what that would be and cost.
 */
export function submitCampaign(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'campaign')
    const [ownerId, keyId, body] = [bearer.userId, keyIdOf(bearer), bodyOf(req)]
    const idempotencyKey = req.get('idempotency-key') ?? null
    const submission = { ownerId, keyId, idempotencyKey, body, now: edge.now() }
    const check = () => {
      const sent = campaignBody(req)
      return onItsLine(sent, () => checkCampaign(edge.knex, edge.planner, sent.file))
    }
    if (isDryRun(req)) {
      const checked = await check()
      const act = (trx: Trx) => start(edge, trx, { ...submission, idempotencyKey: null }, checked)
      return void res.json(await rehearse(edge, { payerId: ownerId, keyId, quote: checked.quote, act }))
    }
    await answerOnce(edge, { req, res, userId: ownerId }, async () => {
      const checked = await check()
      return async trx => {
        const body = await start(edge, trx, submission, checked)
        edge.log.info({ campaignId: body.id, title: body.title }, 'a campaign is submitted')
        return { status: 201, location: `/api/v1/campaigns/${body.id}`, body }
      }
    })
  }
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
  // Its answer is forgotten; a campaign is never paid for twice.
  if (outcome === 'key_taken')
    throw new Refused('idempotency_conflict', 'a campaign was submitted under it long ago')
  if (study !== undefined) await insertStudy(trx, id, study)
  const amountMilli = quote.reserveMilli
  const fault = await setAside(trx, { campaignId: id, userId: ownerId, keyId, amountMilli, now })
  if (fault !== undefined) refuseCredit(fault)
  await assertRoom(trx, ownerId) // with the account locked: of two submissions one counts the other
  await edge.wake.campaigns(trx, [id])
  const row = await findCampaign(trx, id)
  if (row === undefined) throw new Error('a campaign is there after its insertion')
  return viewCampaign(trx, row, edge.trust.rules)
}

/** Throws `Refused` when an account has more open than it may: everybody's limits, or those that the operator set for it. */
export async function assertRoom(trx: Trx, ownerId: UserId): Promise<void> {
  const [open, quota] = [await countOpen(trx, ownerId), await quotaOf(trx, ownerId)]
  const { campaigns, experiments } = {
    campaigns: quota.campaigns ?? CAMPAIGNS_OPEN_MAX,
    experiments: quota.experiments ?? EXPERIMENTS_OPEN_MAX,
  }
  if (open.campaigns > campaigns || open.experiments > experiments)
    throw new Refused('campaign_limit', `${campaigns} campaigns, ${experiments} experiments`)
}

/** The campaign that the path names; throws `Refused` (not_found). */
export async function campaignOf(edge: Edge, req: Request): Promise<CampaignRow> {
  const id = parse(CampaignId, req.params.id, 'not_found')
  const campaign = await findCampaign(edge.knex, id)
  if (campaign === undefined) throw new Refused('not_found', `campaign ${id}`)
  return campaign
}
