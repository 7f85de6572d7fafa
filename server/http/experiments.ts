import type { RequestHandler } from 'express'
import { invariant } from '#domain/invariant.ts'
import { judgeProposals, type Proposed } from '#domain/propose.ts'
import { recipeSha256Of } from '#domain/recipe.ts'
import { ProposeBody, type ProposeReply } from '#protocol/experiments.ts'
import { PROPOSALS_WAITING_MAX } from '#protocol/limits.ts'
import { OUTSIDE, proposersOf } from '#protocol/space.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { insertExperiments, lockUnsettled, type NewExperiment, type ProgressRow } from '#store/progress.ts'
import { insertWaiting, listWaiting } from '#store/proposers.ts'
import { countReports, findExperiments } from '#store/search.ts'
import { answerOnce } from './answer-once.ts'
import { requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'
import { isDryRun } from './rehearse.ts'

/**
 * POST /campaigns/:id/experiments: its owner, or an agent with the owner's token, has recipes tried beside those of the sampler, which
 * learns from them. They count as runs of the budget, which is reserved already. Where those outside are one of several proposers they wait
 * for their turn. Repeating a call changes nothing.
 */
export function proposeExperiments(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'campaign', 'propose')
    const { id, ownerId } = await campaignOf(edge, req)
    if (ownerId !== bearer.userId && !bearer.scopes.includes('admin'))
      throw new Refused('scope_missing', 'this campaign is another user’s')
    const asked = parse(ProposeBody, parseJson(bodyOf(req)))
    const body = { ...asked, dryRun: asked.dryRun || isDryRun(req) }
    const act = async (trx: Trx): Promise<ProposeReply> => {
      const campaign = await lockUnsettled(trx, id)
      if (campaign === undefined || (campaign.state !== 'running' && campaign.state !== 'paused'))
        throw new Refused('campaign_ended')
      return propose(edge, trx, { campaign, proposerId: bearer.userId, body })
    }
    if (body.dryRun) return void res.json(await inTransaction(edge.knex, act))
    const call = { req, res, userId: bearer.userId }
    await answerOnce(edge, call, async () => async trx => ({ status: 200, body: await act(trx) }))
  }
}

interface Proposal {
  readonly campaign: ProgressRow
  readonly proposerId: NonNullable<NewExperiment['proposerId']>
  readonly body: ProposeBody
}

async function propose(
  edge: Edge,
  trx: Trx,
  { campaign, proposerId, body }: Proposal,
): Promise<ProposeReply> {
  const [kernel] = await kernelsByHash(trx, [campaign.kernelSha256])
  invariant(kernel !== undefined, 'what a campaign uses stays')
  if (!isSearched(edge, campaign, kernel.manifest))
    throw new Refused(
      'campaign_invalid',
      'sampler: all recipes of this campaign were known when it was submitted',
    )
  const { file, experimentsPlanned, experimentsCreated } = campaign
  const waits = proposersOf(file.sampler).includes(OUTSIDE)
  const waiting = waits ? await listWaiting(trx, campaign.id) : []
  const [remaining, room] = [experimentsPlanned - experimentsCreated, PROPOSALS_WAITING_MAX - waiting.length]
  const known = await findExperiments(trx, campaign.id)
  const queued = new Map(waiting.map(row => [row.recipeSha256, row.id]))
  const judged = judgeProposals(body.recipes, {
    ...{ manifest: kernel.manifest, file, remaining: remaining - waiting.length },
    room: waits ? room : Infinity,
    experimentOf: recipe => known.get(recipeSha256Of(recipe)),
    waitingOf: recipe => queued.get(recipeSha256Of(recipe)),
  })
  const created = body.dryRun
    ? new Map<string, string>()
    : await create(edge, trx, { campaign, proposerId, judged, waits })
  const fresh = new Set(
    judged.flatMap(({ outcome, recipe }) => (outcome === 'new' ? [recipeSha256Of(recipe)] : [])),
  )
  return {
    experiments: judged.map(proposed => answerOf(proposed, created, waits)),
    remaining: waits ? remaining : remaining - fresh.size,
    dryRun: body.dryRun,
  }
}

const isSearched = (
  edge: Edge,
  { file, respaced, experimentsCreated: created }: ProgressRow,
  manifest: Parameters<Edge['planner']['plan']>[1],
): boolean => {
  const plan = edge.planner.plan(file, manifest, { created, respaced })
  return plan.ok && plan.isSearched
}

interface Judged {
  readonly campaign: ProgressRow
  readonly proposerId: Proposal['proposerId']
  readonly judged: readonly Proposed[]
  /** Until the turn of those outside comes. */
  readonly waits: boolean
}

/** Adds what is new to the locked campaign, or to what waits in it; gives the ids by the hash of the recipe. */
async function create(
  edge: Edge,
  trx: Trx,
  { campaign, proposerId, judged, waits }: Judged,
): Promise<Map<string, string>> {
  const now = edge.now()
  const asked = await countReports(trx, campaign.id)
  const experiments = new Map<string, NewExperiment>()
  for (const { outcome, recipe } of judged) {
    const recipeSha256 = recipeSha256Of(recipe)
    if (outcome !== 'new' || experiments.has(recipeSha256)) continue
    const ordinal = campaign.experimentsCreated + experiments.size
    experiments.set(recipeSha256, {
      id: edge.ids.experiment(now),
      ordinal,
      recipe,
      recipeSha256,
      asked,
      revision: campaign.revision,
      ...{ proposer: OUTSIDE, promotions: 0, proposerId },
    })
  }
  if (experiments.size > 0) {
    const rows = [...experiments.values()]
    if (waits) await insertWaiting(trx, campaign.id, { rows: rows.map(row => ({ ...row, proposerId })), now })
    else await insertExperiments(trx, campaign.id, rows, now)
    await edge.wake.campaigns(trx, [campaign.id])
  }
  return new Map(Array.from(experiments, ([hash, { id }]) => [hash, id]))
}

function answerOf(
  proposed: Proposed,
  created: ReadonlyMap<string, string>,
  waits: boolean,
): ProposeReply['experiments'][number] {
  const { recipe } = proposed
  if (proposed.outcome === 'refused')
    return { outcome: 'refused', experimentId: null, recipe, detail: proposed.detail }
  if (proposed.outcome !== 'new')
    return { outcome: proposed.outcome, experimentId: proposed.experimentId, recipe }
  const experimentId = created.get(recipeSha256Of(recipe)) ?? null
  return { outcome: waits ? 'waiting' : 'created', experimentId, recipe }
}
