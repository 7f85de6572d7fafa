import {
  experimentsPerBatch,
  experimentsToAsk,
  experimentsToCreate,
  isStocked,
  plannedPerBatch,
} from '#domain/campaign.ts'
import { invariant } from '#domain/invariant.ts'
import { recipeSha256Of } from '#domain/recipe.ts'
import type { Rung } from '#protocol/job.ts'
import { OUTSIDE, type Proposer, proposersOf } from '#protocol/space.ts'
import { addMs } from '#protocol/units.ts'
import type { CampaignSearch } from '#search/campaign-search.ts'
import type { CampaignPlan } from '#search/plan.ts'
import { firstRungOf } from '#search/scheduler.ts'
import { countWork, insertExperiments, type NewExperiment } from '#store/progress.ts'
import { listWaiting, removeWaiting, type WaitingRow } from '#store/proposers.ts'
import { listUnitless } from '#store/search.ts'
import { createUnits, type Growth, type NewRun } from './create-units.ts'
import { saySharesOf } from './proposers.ts'
import { moveSpace } from './respace.ts'
import { letGoOn, type Proposals, type Proposed, propose, tellHistory } from './search.ts'

/** A campaign that is locked and running, with what it tries. */
export type Growing = Omit<Growth, 'plan'> & { readonly plan: CampaignPlan }

/**
 * Whether a campaign has more to do: `now`, `later` when there is room or something was told, `stocked` when all the room is filled, or
 * `nothing`.
 */
export type More = 'now' | 'later' | 'stocked' | 'nothing'

/** Hosts that called within this time count as active. */
const ACTIVE_MS = 3600_000

/** Creates what there is room for: the next experiments, and the next rungs of those that are worth it. */
export async function grow(growing: Growing): Promise<More> {
  const { trx, campaign, plan, now } = growing
  const { quorum, seeds, policy } = campaign.file.replicate
  const { unsent, activeHosts, furtherCampaigns } = await countWork(trx, campaign.id, addMs(now, -ACTIVE_MS))
  const remaining = campaign.experimentsPlanned - campaign.experimentsCreated
  const resultsPerExperiment = seeds * (policy === 'fixed' ? quorum : 1)
  const count = experimentsToCreate({
    ...{ unsent, activeHosts, furtherCampaigns, remaining },
    ...{ seedsPerExperiment: seeds, resultsPerExperiment },
  })
  if (plan.search !== null) return growSearched(growing, plan.search, { remaining, count, activeHosts })
  const filled = isStocked(unsent + count * resultsPerExperiment) ? 'stocked' : 'later'
  if (count === 0) return filled
  const proposals = aheadOf(plan, campaign.file.sampler.name, { from: campaign.experimentsCreated, count })
  const runs = await createExperiments(growing, proposals)
  if (runs.length === 0) return 'nothing'
  const toCompute = await createUnits(growing, runs)
  // What the corpus answers makes no noise when it is done: look again at once.
  if (toCompute === 0) return 'now'
  if (proposals.proposed.length === remaining) return 'later'
  const fillsRoom = toCompute === count * seeds && count < plannedPerBatch(seeds)
  return fillsRoom ? filled : 'now'
}

interface Room {
  readonly remaining: number
  /** How many experiments there is room for among what is unsent. */
  readonly count: number
  readonly activeHosts: number
}

async function growSearched(growing: Growing, search: CampaignSearch, room: Room): Promise<More> {
  const { trx, deps, campaign, plan, now } = growing
  const { id, file } = campaign
  const { seeds } = file.replicate
  const proposers = proposersOf(file.sampler)
  const takesTurns = proposers.length > 1
  const told = await tellHistory(trx, deps.histories, { id, pruner: plan.pruner, takesTurns, now })
  await saySharesOf(growing, told)
  if (room.remaining > 0 && (await moveSpace(growing, told))) return 'now'
  const most = experimentsPerBatch(seeds)
  const rules = { id, pruner: plan.pruner, goal: file.metric.goal, most }
  const goOn = (isTried: boolean) => letGoOn(trx, told, { ...rules, isTried })
  const chosen = await goOn(room.remaining === 0)
  const inFlight = told.inFlight + chosen.length
  const asked = experimentsToAsk({ ...room, inFlight, seedsPerExperiment: seeds })
  const waiting = proposers.includes(OUTSIDE) ? await listWaiting(trx, id) : []
  const proposals = propose(search, told.history, {
    count: Math.min(room.count, asked),
    waiting: waiting.map(({ recipe }) => recipe),
  })
  const fresh = await createExperiments(growing, proposals, waiting)
  const isRefused = proposals.refusal !== null && fresh.length === 0
  const climbs = isRefused && chosen.length === 0 ? await goOn(true) : chosen
  const further = climbs.flatMap(({ ordinal, rung }) => {
    const trial = told.history.trials[ordinal]
    invariant(trial !== undefined, 'who goes on is in the history')
    return runsOf({ ...trial, rung }, seeds)
  })
  if (further.length + fresh.length === 0)
    return told.inFlight > 0 || (room.remaining > 0 && !isRefused) ? 'later' : 'nothing'
  const toCompute = await createUnits(growing, [...further, ...fresh])
  return toCompute === 0 || climbs.length === most ? 'now' : 'later'
}

/** Makes experiments of proposals, those among them that waited from outside; gives the runs with which they begin. */
async function createExperiments(
  growing: Growing,
  { proposed, refusal }: Proposals,
  waiting: readonly WaitingRow[] = [],
): Promise<NewRun[]> {
  const { trx, deps, campaign, now } = growing
  if (refusal !== null)
    deps.log.error({ campaignId: campaign.id, ...refusal }, 'a campaign ends before its plan')
  if (proposed.length === 0) return []
  const byRecipe = new Map(waiting.map(row => [row.recipeSha256, row]))
  const experiments = proposed.map((proposal): NewExperiment => {
    const recipeSha256 = recipeSha256Of(proposal.recipe)
    const waited = proposal.proposer === OUTSIDE ? byRecipe.get(recipeSha256) : undefined
    const { id = deps.ids.experiment(now), proposerId = null } = waited ?? {}
    return { ...proposal, id, recipeSha256, revision: campaign.revision, proposerId }
  })
  await insertExperiments(trx, campaign.id, experiments, now)
  await removeWaiting(trx, experiments)
  return experiments.flatMap(experiment => firstRunsOf(experiment, growing))
}

type Begun = Pick<NewExperiment, 'id' | 'ordinal' | 'recipe'>

const firstRunsOf = (experiment: Begun, { plan, campaign }: Growing): NewRun[] =>
  runsOf({ ...experiment, rung: firstRungOf(plan.pruner, experiment.ordinal) }, campaign.file.replicate.seeds)

/** A run to a rung for each seed of an experiment. */
const runsOf = (
  { id: experimentId, recipe, rung }: Omit<Begun, 'ordinal'> & { readonly rung: Rung },
  seeds: number,
): NewRun[] => Array.from({ length: seeds }, (_, seedIndex) => ({ experimentId, recipe, seedIndex, rung }))

/** Makes the work units of what was proposed from outside since. */
export async function startProposed(
  { trx, campaign }: Pick<Growing, 'trx' | 'campaign'>,
  growing: () => Promise<Growing>,
): Promise<void> {
  const proposed = await listUnitless(trx, campaign.id)
  if (proposed.length === 0) return
  const growth = await growing()
  await createUnits(
    growth,
    proposed.flatMap(experiment => firstRunsOf(experiment, growth)),
  )
}

/** The next recipes of a plan that is known in advance. */
function aheadOf(
  plan: CampaignPlan,
  proposer: Proposer,
  { from, count }: { from: number; count: number },
): Proposals {
  const proposed: Proposed[] = []
  for (const planned of plan.recipes(from)) {
    if (!planned.ok) return { proposed, refusal: { code: planned.code, detail: planned.detail } }
    proposed.push({ ordinal: planned.ordinal, recipe: planned.recipe, asked: 0, promotions: 0, proposer })
    if (proposed.length === count) break
  }
  return { proposed, refusal: null }
}
