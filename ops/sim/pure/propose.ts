import { experimentsToCreate, newWorkUnit } from '#domain/campaign.ts'
import { escrowAccount } from '#domain/ledger.ts'
import { transition } from '#domain/transition.ts'
import { drawn, drawSample } from '#domain/trust.ts'
import { type Instant, instant } from '#protocol/units.ts'
import { applyEffects } from './apply.ts'
import type { CampaignRow, State, UnitRow } from './state.ts'

export const FUEL = 50e9 // of one run: 500 milli-credits
// A run outlasts the night that its host sleeps through.
export const DEADLINE_MS = 24 * 3600_000
const BATCHES_MAX = 100

/** Moves a campaign on: creates experiments while there is room, and settles it when nothing is left. */
export function propose(state: State, campaign: CampaignRow): void {
  const now = instant(state.clock.now)
  for (let i = 0; i < BATCHES_MAX; i++) {
    const count = roomOf(state, campaign)
    if (count === 0) break
    for (let k = 0; k < count; k++) addExperiment(state, campaign, now)
  }
  if (campaign.created === campaign.spec.experiments && campaign.unpublished === 0) settleUp(state, campaign)
}

function roomOf(state: State, { spec, created, unsent }: CampaignRow): number {
  const { experiments, seeds, quorum } = spec
  if (created === experiments) return 0
  return experimentsToCreate({
    ...{ unsent, activeHosts: state.presence.owners(state.clock.now), remaining: experiments - created },
    ...{ resultsPerExperiment: seeds * quorum, seedsPerExperiment: seeds },
  })
}

function addExperiment(state: State, campaign: CampaignRow, now: Instant): void {
  const experimentId = state.ids.experiment(now)
  const ordinal = campaign.created++
  const units = Array.from({ length: campaign.spec.seeds }, (_, seedIndex): UnitRow => {
    const id = state.ids.workUnit(now)
    const workUnit = newWorkUnit({
      ...{ id, campaignId: campaign.id, experimentId, engineClass: 'wasm', policy: 'adaptive' },
      ...{ quorum: campaign.spec.quorum, deadlineMs: DEADLINE_MS, fuelMax: FUEL },
      check: drawSample(drawn(state.secret, 'sample', id), state.rules),
    })
    const run = { campaign: campaign.spec.number, ordinal, seedIndex }
    return {
      order: state.units.size + seedIndex,
      run,
      campaign,
      workUnit,
      results: [],
      wakeAt: null,
      reason: 'draw',
    }
  })
  campaign.experiments.set(experimentId, units)
  for (const unit of units) {
    state.units.set(unit.workUnit.id, unit)
    campaign.unpublished++
    applyEffects(state, unit, transition(unit.workUnit, [], now), now)
  }
}

function settleUp(state: State, campaign: CampaignRow): void {
  const escrow = escrowAccount(campaign.id)
  const amountMilli = state.books.balances.get(escrow) ?? 0
  if (amountMilli === 0) return
  state.books.post([{ kind: 'refund', debit: escrow, credit: campaign.payer, amountMilli, resultId: null }])
}
