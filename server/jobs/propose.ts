import { createHmac } from 'node:crypto'
import { invariant } from '#domain/invariant.ts'
import { cancelWorkUnit } from '#domain/transition.ts'
import { splitOf } from '#protocol/dataset.ts'
import { addMs, type CampaignId, type Instant, type WorkUnitId } from '#protocol/units.ts'
import { type CampaignPlan, planCampaign } from '#search/plan.ts'
import type { RunSource } from '#search/space.ts'
import { refundRest } from '#store/account-credit.ts'
import { endCampaign } from '#store/campaign-life.ts'
import { inBusyTransaction, inTransaction, type Trx } from '#store/database.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { isAnythingOpen } from '#store/economics.ts'
import { addCampaignEvents } from '#store/events.ts'
import { closeInteractions } from '#store/interactions.ts'
import { kernelsByHash } from '#store/kernels.ts'
import {
  drawAudits,
  listUnverifiedLeaders,
  lockUnsettled,
  type ProgressRow,
  readStock,
  remainingOf,
  settleCampaign,
  unsettle,
} from '#store/progress.ts'
import { listUnitless } from '#store/search.ts'
import { closeTests, hasBaseline } from '#store/tests.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { demandChecks, lockOpenWorkUnits, lockWorkUnits } from '#store/work-units.ts'
import { applyDecisions } from './apply.ts'
import { addBaseline } from './baseline.ts'
import { tellBest } from './best.ts'
import type { CampaignHandler, JobDeps } from './deps.ts'
import { type Growing, grow, type More, startProposed } from './grow.ts'
import { judgeQuestion, moveInteraction } from './interaction.ts'
import { admitWaiting } from './proposers.ts'
import { releaseCandidates } from './release.ts'
import { startStudy } from './study.ts'
import { judgeTests, moveTests, type Tester } from './tests.ts'
import { tellLateVerdicts } from './verdicts.ts'

/**
 * Moves campaigns on: creates experiments lazily while they run, closes what is open after they were cancelled, has checked
 * what still stands unchecked, and returns the rest of the escrow when nothing can be earned any more. One transaction per
 * campaign and batch.
 */
export const runPropose: CampaignHandler = async (deps, ids) => {
  for (const id of ids) await lookAt(deps, id)
}

/** A campaign of which nothing is waited for but more of what it has in store. */
export interface Stocked {
  /** Units that were made now: so many were taken since it was last found with enough. */
  readonly made: number
  /** The verifier is waited for, to say which of its runs are records. */
  readonly isRanking: boolean
  readonly version: string
}

/** Moves one campaign on; says how it is stocked, unless something else is waited for that a look may bring about. */
export async function lookAt(deps: JobDeps, id: CampaignId): Promise<Stocked | undefined> {
  await tellBest(deps, id) // before its end
  const stocked = await inTransaction(deps.knex, trx => moveOn(trx, deps, id))
  await tellLateVerdicts(deps, id)
  const isRanking = await releaseCandidates(deps, id)
  await demandAudits(deps, id)
  return stocked && { ...stocked, isRanking }
}

/**
 * A campaign waits so long for the verifier: its provisional results stay what they are, and their pay stays held, but what nobody
 * can earn any more goes back. A check that comes later still counts.
 */
const VERIFIER_AWAITED_MS = 14 * 24 * 3600_000

const awaitedOf = (id: CampaignId, now: Instant) => ({
  id,
  provisionalSince: addMs(now, -VERIFIER_AWAITED_MS),
})

// As many as the transitioner takes in one transaction.
const CANCELLED_PER_BATCH = 500

async function moveOn(
  trx: Trx,
  deps: JobDeps,
  id: CampaignId,
): Promise<Omit<Stocked, 'isRanking'> | undefined> {
  await unsettle(trx, id)
  const campaign = await lockUnsettled(trx, id)
  if (campaign === undefined) return undefined
  const now = deps.now()
  if (isOverdue(campaign, now)) {
    await endCampaign(trx, { id, by: 'deadline', reason: `ends_by ${campaign.file.ends_by}`, now })
    await deps.enqueue(trx, 'propose', [id])
    return undefined
  }
  const more =
    campaign.state === 'cancelled' || campaign.state === 'finished'
      ? await cancel(trx, deps, campaign, now)
      : await growAndTest({ trx, deps, campaign, now })
  if (more === 'stocked') return stockOf(trx, campaign)
  if (more === 'now') await deps.enqueue(trx, 'propose', [id])
  if (more !== 'nothing') return undefined
  const { isOpen, isUnpublished, isProvisional } = await remainingOf(trx, awaitedOf(id, now))
  if (!isOpen && !isUnpublished && !isProvisional) await settleUp(trx, deps, campaign, now)
  return undefined
}

async function stockOf(trx: Trx, { id, file, experimentsCreated }: ProgressRow) {
  const { created, version } = await readStock(trx, id)
  return { made: (created - experimentsCreated) * file.replicate.seeds, version }
}

const isOverdue = ({ state, file: { ends_by: end } }: ProgressRow, now: Instant): boolean =>
  (state === 'running' || state === 'paused') && end !== undefined && Date.parse(end) <= now

/** Tries what is planned, and tests what looks better than what stands. */
async function growAndTest(tester: Tester): Promise<More> {
  const { trx, deps, campaign, now } = tester
  const growing = async (): Promise<Growing> => ({
    ...{ trx, deps, campaign, now },
    ...(await planOf(trx, deps, campaign)),
  })
  if (campaign.file.study !== undefined) {
    if (campaign.experimentsCreated > 0) return 'nothing'
    if (campaign.state === 'paused') return 'later'
    await startStudy(await growing())
    return 'nothing'
  }
  if (campaign.state === 'paused') return (await isComplete(trx, campaign, growing)) ? 'nothing' : 'later'
  if (await admitWaiting(tester)) return 'now'
  await startProposed(tester, growing)
  const isTesting = campaign.file.stop?.sprt !== undefined
  const asksMore = isTesting || campaign.file.interaction !== undefined
  if (campaign.endedBy !== null && !asksMore) return 'nothing'
  const growth = await growing()
  const isTried = campaign.experimentsPlanned === campaign.experimentsCreated
  // Where runs are stopped early, who was tried may still go on.
  const isOver = campaign.endedBy !== null || (isTried && growth.plan.pruner === 'none')
  const more = isOver ? 'nothing' : await grow(growth)
  // What the corpus answers makes no noise when it is done: look again at once.
  if (more === 'now' || (await addBaseline(growth))) return 'now'
  if (!asksMore) return more
  const tests = isTesting ? await moveTests(growth, more === 'nothing') : 'nothing'
  const left = more === 'nothing' && tests === 'nothing' ? await moveInteraction(growth) : tests
  // What is awaited is open; without anything open what was asked for can come no more.
  if (left === 'now') return left
  return more === 'stocked' ? 'later' : more
}

/** Whether a campaign, paused as it is, has nothing left to create: it ends with its last run, and need not be resumed for it. */
async function isComplete(
  trx: Trx,
  campaign: ProgressRow,
  growing: () => Promise<Growing>,
): Promise<boolean> {
  const { id, file, endedBy, experimentsPlanned, experimentsCreated } = campaign
  if (file.stop?.sprt !== undefined || file.interaction !== undefined) return false
  if ((await listUnitless(trx, id)).length > 0) return false
  if (endedBy !== null) return true
  if (experimentsPlanned !== experimentsCreated) return false
  const { plan } = await growing()
  return plan.pruner === 'none' && (plan.baseline === null || (await hasBaseline(trx, id)))
}

async function planOf(
  trx: Trx,
  { secret }: JobDeps,
  { file, kernelSha256, datasetSha256, experimentsCreated: created, respaced }: ProgressRow,
): Promise<{ plan: CampaignPlan; source: RunSource }> {
  const [kernel] = await kernelsByHash(trx, [kernelSha256])
  const [dataset] = await datasetsByHash(trx, [datasetSha256])
  invariant(kernel !== undefined && dataset !== undefined, 'what a campaign uses stays')
  const { manifest, moduleSha256 } = kernel
  const plan = planCampaign(file, manifest, { created, respaced })
  invariant(plan.ok, 'a campaign that was accepted has a plan')
  const data = manifest.slots.map(slot => splitOf(dataset, slot.split).sha256)
  return { plan, source: { file, manifest, moduleSha256, data, secret } }
}

/**
 * Has the verifier check what nobody may keep looking at unchecked: the runs behind the best rows, and, when nothing is
 * left to do anywhere, one drawn result of each host with provisional ones; else the daemon draws when it waits too long. In a transaction of its own: work units are locked
 * before campaigns everywhere else.
 */
async function demandAudits(deps: JobDeps, id: CampaignId): Promise<void> {
  await inBusyTransaction(deps.knex, async trx => {
    const now = deps.now()
    const leaders = await listUnverifiedLeaders(trx, id, deps.trust.leaderRows)
    const { isOpen, isUnpublished, isProvisional } = await remainingOf(trx, awaitedOf(id, now))
    const isIdle = isProvisional && !isOpen && !isUnpublished && !(await isAnythingOpen(trx))
    const salt = createHmac('sha256', deps.secret).update(`audit|${id}|${now}`).digest('hex')
    const audits = isIdle ? await drawAudits(trx, id, salt) : []
    const wanted = [...new Set([...leaders, ...audits])]
    if (wanted.length === 0) return
    const locked = (await lockWorkUnits(trx, wanted)).map(({ workUnit }) => workUnit)
    const standing = new Set(locked.flatMap(unit => (unit.state === 'valid' ? [unit.id] : [])))
    const demand = (ids: readonly WorkUnitId[]) =>
      ids.flatMap(unitId => (standing.has(unitId) ? [{ id: unitId, demand: 'audit' as const }] : []))
    await demandChecks(trx, demand(audits), now)
    await demandChecks(trx, demand(leaders))
    await touchWorkUnits(trx, [...standing], now)
  })
}

async function cancel(trx: Trx, deps: JobDeps, campaign: ProgressRow, now: Instant): Promise<More> {
  await judgeTests({ trx, deps, campaign, now })
  await judgeQuestion({ trx, deps, campaign, now })
  const { id } = campaign
  const open = await lockOpenWorkUnits(trx, id, CANCELLED_PER_BATCH)
  const decisions = open.map(({ workUnit, results }) => ({
    workUnit,
    effects: cancelWorkUnit(workUnit, results, now),
  }))
  await applyDecisions(trx, deps, decisions, now)
  return open.length === CANCELLED_PER_BATCH ? 'now' : 'nothing'
}

async function settleUp(trx: Trx, { log }: JobDeps, campaign: ProgressRow, now: Instant): Promise<void> {
  const { id: campaignId, ownerId: userId, state } = campaign
  const refundedMilli = await refundRest(trx, { campaignId, userId, now })
  await closeTests(trx, campaignId, now)
  await closeInteractions(trx, campaignId, now)
  await settleCampaign(trx, campaignId, now)
  if (state !== 'cancelled')
    await addCampaignEvents(trx, [{ campaignId, event: 'finished', detail: 'it has come to its end' }], now)
  const became = state === 'cancelled' ? state : 'finished'
  log.info({ campaignId, state: became, refundedMilli }, 'a campaign was settled')
}
