import { createHash } from 'node:crypto'
import { experimentsToCreate, newWorkUnit } from '#domain/campaign.ts'
import { invariant } from '#domain/invariant.ts'
import { escrowAccount, refund } from '#domain/ledger.ts'
import { cancelWorkUnit, transition } from '#domain/transition.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { splitOf } from '#protocol/dataset.ts'
import { addMs, type CampaignId, type Instant, Sha256 } from '#protocol/units.ts'
import { buildRun, type CampaignPlan, planCampaign, type RunSource } from '#search/space.ts'
import { answerFromCorpus } from '#store/corpus.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { lockBalances, post } from '#store/ledger.ts'
import {
  countWork,
  insertExperiments,
  lockUnsettled,
  type NewExperiment,
  type ProgressRow,
  remainingOf,
  settleCampaign,
} from '#store/progress.ts'
import { insertWorkUnits, lockOpenWorkUnits, type NewWorkUnit } from '#store/work-units.ts'
import { applyDecisions } from './apply.ts'
import type { CampaignHandler, JobDeps } from './deps.ts'

/**
 * Moves campaigns on: creates experiments lazily while they run, closes what is open after they were cancelled, and
 * returns the rest of the escrow when nothing can be earned any more. One transaction per campaign and batch.
 */
export const runPropose: CampaignHandler = async (deps, ids) => {
  for (const id of ids) await inTransaction(deps.knex, trx => moveOn(trx, deps, id))
}

/** Hosts that called within this time count as active. */
const ACTIVE_MS = 3600_000

// As many as the transitioner takes in one transaction.
const CANCELLED_PER_BATCH = 500

async function moveOn(trx: Trx, deps: JobDeps, id: CampaignId): Promise<void> {
  const campaign = await lockUnsettled(trx, id)
  if (campaign === undefined) return
  const now = deps.now()
  const more =
    campaign.state === 'running' ? await grow(trx, deps, campaign, now) : await cancel(trx, deps, id, now)
  if (more === 'later') return
  if (more === 'now') return deps.enqueue(trx, 'propose', [id])
  const { isOpen, isUnpublished } = await remainingOf(trx, id)
  if (!isOpen && !isUnpublished) await settleUp(trx, deps, campaign, now)
}

/** Whether the campaign has more to create or to cancel: `now`, `later` when there is room, or `nothing`. */
type More = 'now' | 'later' | 'nothing'

async function grow(trx: Trx, deps: JobDeps, campaign: ProgressRow, now: Instant): Promise<More> {
  const remaining = campaign.experimentsPlanned - campaign.experimentsCreated
  if (remaining === 0) return 'nothing'
  const { quorum, seeds } = campaign.file.replicate
  const { unsent, activeHosts } = await countWork(trx, campaign.id, addMs(now, -ACTIVE_MS))
  const count = experimentsToCreate({
    ...{ unsent, activeHosts, remaining },
    ...{ seedsPerExperiment: seeds, resultsPerExperiment: seeds * quorum },
  })
  if (count === 0) return 'later'
  const { plan, source } = await planOf(trx, deps, campaign)
  const experiments: NewExperiment[] = []
  for (const planned of plan.recipes(campaign.experimentsCreated)) {
    if (!planned.ok) {
      deps.log.error({ campaignId: campaign.id, ...planned }, 'a campaign ends before its plan')
      break
    }
    const { ordinal, recipe } = planned
    const recipeSha256 = Sha256.parse(createHash('sha256').update(canonicalJson(recipe)).digest('hex'))
    experiments.push({ id: deps.ids.experiment(now), ordinal, recipe, recipeSha256 })
    if (experiments.length === count) break
  }
  if (experiments.length === 0) return 'nothing'
  await insertExperiments(trx, campaign.id, experiments, now)
  const toCompute = await createUnits({ trx, deps, campaign, plan, source, now }, experiments)
  // What the corpus answers makes no noise when it is done: look again at once.
  return experiments.length < remaining || toCompute === 0 ? 'now' : 'later'
}

async function planOf(
  trx: Trx,
  { secret }: JobDeps,
  { file, kernelSha256, datasetSha256 }: ProgressRow,
): Promise<{ plan: CampaignPlan; source: RunSource }> {
  const [kernel] = await kernelsByHash(trx, [kernelSha256])
  const [dataset] = await datasetsByHash(trx, [datasetSha256])
  invariant(kernel !== undefined && dataset !== undefined, 'what a campaign uses stays')
  const { manifest, moduleSha256 } = kernel
  const plan = planCampaign(file, manifest)
  invariant(plan.ok, 'a campaign that was accepted has a plan')
  const data = manifest.slots.map(slot => splitOf(dataset, slot.split).sha256)
  return { plan, source: { file, manifest, moduleSha256, data, secret } }
}

interface Growth {
  readonly trx: Trx
  readonly deps: JobDeps
  readonly campaign: ProgressRow
  readonly plan: CampaignPlan
  readonly source: RunSource
  readonly now: Instant
}

/** Creates the work units of these experiments; gives how many of them the corpus did not answer. */
async function createUnits(growth: Growth, experiments: readonly NewExperiment[]): Promise<number> {
  const { trx, deps, campaign, plan, source, now } = growth
  const { quorum, seeds } = campaign.file.replicate
  const units: NewWorkUnit[] = []
  for (const { id: experimentId, recipe } of experiments) {
    for (let seedIndex = 0; seedIndex < seeds; seedIndex++) {
      const workUnit = newWorkUnit({
        ...{ id: deps.ids.workUnit(now), campaignId: campaign.id, experimentId, quorum },
        ...{ deadlineMs: campaign.file.deadline_ms, fuelMax: plan.fuelMax },
      })
      const run = await buildRun(source, recipe, seedIndex)
      const kernel = { engineClass: source.manifest.engine, kernelSha256: source.moduleSha256 }
      units.push({ workUnit, seedIndex, ...run, ...kernel })
    }
  }
  await insertWorkUnits(trx, units, now)
  const ids = units.map(({ workUnit }) => workUnit.id)
  const answered = new Set(await answerFromCorpus(trx, ids, now))
  const decisions = units
    .filter(({ workUnit }) => !answered.has(workUnit.id))
    .map(({ workUnit }) => ({ workUnit, effects: transition(workUnit, [], now) }))
  await applyDecisions(trx, deps, decisions, now)
  return decisions.length
}

async function cancel(trx: Trx, deps: JobDeps, id: CampaignId, now: Instant): Promise<More> {
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
  const escrow = escrowAccount(campaignId)
  const amountMilli = (await lockBalances(trx, [escrow])).get(escrow) ?? 0
  if (amountMilli > 0) await post(trx, [refund({ campaignId, userId, amountMilli, refundedMilli: 0 })], now)
  await settleCampaign(trx, campaignId, now)
  const became = state === 'running' ? 'finished' : state
  log.info({ campaignId, state: became, refundedMilli: amountMilli }, 'a campaign was settled')
}
