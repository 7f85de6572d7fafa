import { experimentsToCreate, newWorkUnit, plannedPerBatch } from '#domain/campaign.ts'
import { PRESENT_MS } from '#domain/dispatch.ts'
import { escrowAccount, refund, refundable } from '#domain/ledger.ts'
import { nextToCheck, type RecordClaim } from '#domain/records.ts'
import { isSuccess } from '#domain/seats.ts'
import { transition } from '#domain/transition.ts'
import { drawn, drawSample } from '#domain/trust.ts'
import { type ExperimentId, type Instant, instant } from '#protocol/units.ts'
import { applyEffects } from './apply.ts'
import { DEADLINE_MS, FUEL } from './settings.ts'
import { type CampaignRow, isNotNeeded, type State, touch, type UnitRow } from './state.ts'

/** Moves a campaign on: creates experiments while there is room, and settles it when nothing is left. */
export function propose(state: State, campaign: CampaignRow): void {
  const now = instant(state.clock.now)
  const count = roomOf(state, campaign)
  addExperiments(state, campaign, count, now)
  const { experiments, seeds } = campaign.spec
  if (campaign.created < experiments && count === plannedPerBatch(seeds)) state.jobs.propose.add(campaign)
  releaseCandidates(state, campaign)
  checkLeaders(state, campaign)
  if (campaign.created === campaign.spec.experiments && campaign.unpublished === 0) settleUp(state, campaign)
}

function roomOf(state: State, campaign: CampaignRow): number {
  const { spec, created } = campaign
  const { experiments, seeds } = spec
  if (created === experiments) return 0
  // A check of a run that stands is no work that waits for volunteers.
  let unsent = campaign.unsent
  for (const { unit } of state.unsent.verifier.items)
    if (unit.campaign === campaign && unit.workUnit.state !== 'open') unsent--
  return experimentsToCreate({
    ...{ unsent, activeHosts: state.active.count(state.clock.now), remaining: experiments - created },
    furtherCampaigns: 0, // each campaign has a researcher of its own
    ...{ resultsPerExperiment: seeds, seedsPerExperiment: seeds },
  })
}

// In the order in which the proposer makes ids: experiments, their units, then results.
function addExperiments(state: State, campaign: CampaignRow, count: number, now: Instant): void {
  const ids = Array.from({ length: count }, () => state.ids.experiment(now))
  const units = ids.flatMap(experimentId => {
    const ordinal = campaign.created++
    const mine = Array.from({ length: campaign.spec.seeds }, (_, seedIndex) => {
      const unit = newUnit(state, campaign, { experimentId, ordinal, seedIndex })
      state.units.set(unit.workUnit.id, unit)
      campaign.unpublished++
      return unit
    })
    campaign.experiments.set(experimentId, mine)
    return mine
  })
  for (const unit of units) applyEffects(state, unit, transition(unit.workUnit, [], now), now)
}

function newUnit(
  state: State,
  campaign: CampaignRow,
  { experimentId, ordinal, seedIndex }: { experimentId: ExperimentId; ordinal: number; seedIndex: number },
): UnitRow {
  const id = state.ids.workUnit(instant(state.clock.now))
  const workUnit = newWorkUnit({
    ...{ id, campaignId: campaign.id, experimentId, engineClass: 'wasm', policy: 'adaptive' },
    ...{ quorum: campaign.spec.quorum, deadlineMs: DEADLINE_MS, fuelMax: FUEL },
    check: drawSample(drawn(state.secret, 'sample', id), state.rules),
  })
  const run = { campaign: campaign.spec.number, ordinal, seedIndex }
  return { order: state.units.size, run, campaign, workUnit, results: [], wakeAt: null, reason: 'draw' }
}

/** As jobs/release.ts: the verifier checks the best claims next, and what was overtaken waits no longer. */
function releaseCandidates(state: State, campaign: CampaignRow): void {
  const waiting: (RecordClaim & { readonly unit: UnitRow })[] = []
  const begun: RecordClaim[] = []
  for (const unit of campaign.candidates) {
    const { workUnit, results } = unit
    const checks = results.filter(({ result }) => result.kind === 'check' && !isNotNeeded(result))
    const metrics = results.flatMap(({ answer, result }) =>
      answer === null || !('verdict' in result) || result.verdict !== 'pending' ? [] : [answer.metric],
    )
    const claim = { experimentId: workUnit.experimentId, metrics }
    const isBegun = checks.some(({ result }) => result.state === 'in_progress' || isSuccess(result))
    if (workUnit.state === 'open' && isBegun) begun.push(claim)
    if (workUnit.state !== 'open') campaign.candidates.delete(unit)
    if (workUnit.state !== 'open' || workUnit.disputed) {
      for (const row of checks) row.held = false
      continue
    }
    if (checks.some(({ result }) => result.state !== 'unsent')) continue
    const { leaderRows } = state.rules
    if (metrics.some(m => campaign.board.isRecord(workUnit.experimentId, m, leaderRows))) {
      waiting.push({ ...claim, unit })
      continue
    }
    unit.workUnit = { ...workUnit, check: 'none' }
    for (const row of checks) row.held = false // another reason may be left
    campaign.candidates.delete(unit)
    touch(state, unit)
  }
  const sorted = waiting.sort((a, b) => a.unit.order - b.unit.order)
  const since = state.clock.now - PRESENT_MS
  const isVerifierIdle = state.verifiers.some(
    ({ idleSince, lastSeen }) => idleSince !== null && lastSeen > since,
  )
  const { leaderRows } = state.rules
  const scores = campaign.board.scores()
  const next = new Set(nextToCheck(sorted, { scores, begun, isVerifierIdle, leaderRows }))
  for (const candidate of waiting)
    for (const row of candidate.unit.results) if (row.result.kind === 'check') row.held = !next.has(candidate)
}

/** The runs behind the best rows are checked by the verifier, wherever nobody trusted has seen them. */
function checkLeaders(state: State, campaign: CampaignRow): void {
  for (const experimentId of campaign.board.leaders(state.rules.leaderRows)) {
    for (const unit of campaign.experiments.get(experimentId) ?? []) {
      const { workUnit } = unit
      if (workUnit.state !== 'valid' || workUnit.check === 'verifier' || isVerified(unit)) continue
      unit.workUnit = { ...workUnit, check: 'verifier' }
      unit.reason = 'leader'
      touch(state, unit)
    }
  }
}

export const isVerified = ({ results }: UnitRow): boolean =>
  results.some(({ result }) => 'verdict' in result && result.verdict === 'valid' && result.trusted)

function settleUp(state: State, campaign: CampaignRow): void {
  const escrow = escrowAccount(campaign.id)
  const balanceMilli = state.books.balances.get(escrow) ?? 0
  const { id: campaignId, ownerId: userId, reservedMilli, refundedMilli } = campaign
  const amountMilli = refundable({ balanceMilli, reservedMilli, refundedMilli })
  if (amountMilli === 0) return
  state.books.post([refund({ campaignId, userId, amountMilli, refundedMilli })])
  campaign.refundedMilli += amountMilli
}
