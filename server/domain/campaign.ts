import type { CampaignFile } from '#protocol/campaign.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { DEADLINE_MS_DEFAULT, TEST_RUNS_MAX } from '#protocol/limits.ts'
import type { CampaignId, ExperimentId, WorkUnitId } from '#protocol/units.ts'
import { type ByRung, plannedByRung, type UnitsPlanned } from './rungs.ts'
import type { Policy, UnitCheck, WorkUnit } from './types.ts'

// Six hosts that cannot compute a run are not six broken hosts: the seventh try would cost more than it tells.
const ERRORS_MAX = 6
// Successes beyond the quorum come from late reports and from reports that could not be read.
const SUCCESSES_BEYOND_QUORUM = 4
// A dozen lost leases, at deadlines that grow to four times, is patience enough.
const RESULTS_BEYOND_QUORUM = 12
const DAY_MS = 24 * 3600_000
const GRACE_MS_MAX = DAY_MS
// A week: a verifier that is switched on at weekends only still settles its disputes.
const GIVE_UP_MS = 7 * DAY_MS

/** At least this many unsent results of a campaign may exist, so that a burst of new hosts finds work (DESIGN §10). */
const UNSENT_MIN = 1_000
const UNSENT_PER_HOST = 4

// One transaction creates at most this many work units: some hundred milliseconds, so that others get their turn.
const UNITS_PER_BATCH = 500
// What is planned in advance costs no sampler's time.
const PLANNED_UNITS_PER_BATCH = 1_000

// Two tests that stay undecided at 64 pairs take 192 runs; most are decided at a dozen.
const TEST_RUNS_SHARE = 0.5
const TEST_RUNS_MIN = 64

/** Runs that the sequential tests of a campaign may add: what is reserved for them, and where they stop. */
export function testUnitsOf({ stop, budget, replicate }: CampaignFile): number {
  if (stop?.sprt === undefined) return 0
  const screening = budget.runs * replicate.seeds
  return (
    stop.sprt.runs ?? Math.min(TEST_RUNS_MAX, Math.max(TEST_RUNS_MIN, Math.ceil(TEST_RUNS_SHARE * screening)))
  )
}

/** Experiments that the agent may add to answer a question: the choice of each outermost level at the other one. */
export const CELLS_ADDED_MAX = 2

/** Runs that the answer to a campaign's question may add: fresh ones, and those that screen the cells which nobody tried. */
export const interactionUnitsOf = ({ interaction, replicate }: CampaignFile): number =>
  interaction === undefined ? 0 : interaction.runs + CELLS_ADDED_MAX * replicate.seeds

/** All work units that a campaign may have: of its experiments, of its unchanged recipe, of its tests and its question. */
export function plannedUnits(
  file: CampaignFile,
  plan: { readonly experiments: number; readonly baseline: object | null } & Omit<
    ByRung,
    'experimentUnits' | 'wholeUnits'
  >,
): readonly UnitsPlanned[] {
  const seeds = file.study === undefined ? file.replicate.seeds : 1
  const wholeUnits = (plan.baseline === null ? 0 : seeds) + testUnitsOf(file) + interactionUnitsOf(file)
  return plannedByRung({ ...plan, experimentUnits: plan.experiments * seeds, wholeUnits })
}

interface NewUnit {
  readonly id: WorkUnitId
  readonly campaignId: CampaignId
  readonly experimentId: ExperimentId
  readonly engineClass: EngineClass
  readonly policy: Policy
  readonly quorum: number
  readonly check: UnitCheck
  readonly deadlineMs: number | undefined // of the campaign file
  readonly fuelMax: number
  readonly flops?: number | null
}

/** An open work unit with the parameters that its campaign gives it. */
export function newWorkUnit({ quorum, deadlineMs = DEADLINE_MS_DEFAULT, ...rest }: NewUnit): WorkUnit {
  return {
    ...rest,
    state: 'open',
    disputed: false,
    canary: false,
    auditedAt: null,
    minQuorum: quorum,
    targetResults: quorum,
    maxErrorResults: ERRORS_MAX,
    maxSuccessResults: quorum + SUCCESSES_BEYOND_QUORUM,
    maxTotalResults: quorum + RESULTS_BEYOND_QUORUM,
    deadlineMs,
    graceMs: Math.min(deadlineMs, GRACE_MS_MAX),
    giveUpMs: GIVE_UP_MS,
  }
}

// A sampler that learns proposes so many before it has heard of them: each host is busy, and the next is there when it comes back.
const PENDING_MIN = 8
const PENDING_PER_HOST = 2

/** How many experiments may begin or go on in one transaction. */
export const experimentsPerBatch = (seedsPerExperiment: number, units = UNITS_PER_BATCH): number =>
  Math.max(1, Math.floor(units / seedsPerExperiment))

/** The same of experiments that were planned in advance. */
export const plannedPerBatch = (seedsPerExperiment: number): number =>
  experimentsPerBatch(seedsPerExperiment, PLANNED_UNITS_PER_BATCH)

/** How many experiments a sampler that learns is asked for now, given those that are being computed. */
export const experimentsToAsk = (facts: {
  readonly inFlight: number
  readonly activeHosts: number
  readonly seedsPerExperiment: number
  readonly remaining: number
}): number => {
  const { inFlight, activeHosts, seedsPerExperiment, remaining } = facts
  const wanted = Math.max(PENDING_MIN, Math.ceil((PENDING_PER_HOST * activeHosts) / seedsPerExperiment))
  return Math.max(0, Math.min(remaining, wanted - inFlight, experimentsPerBatch(seedsPerExperiment)))
}

// An owner's second campaign takes little from others, the tenth most of what it is given (36/(36 + n²), n further ones).
const MALUS = 36

/**
 * What a campaign may have unsent, as a share of what the only campaign of its owner may. Unsent results wait in one line, in
 * the order of their creation, so that while everything waits campaigns are served in proportion to what they have in it.
 */
export const fairShare = (furtherCampaigns: number): number => MALUS / (MALUS + furtherCampaigns ** 2)

/**
 * How many experiments to create now: the room between the unsent results and the campaign's share of max(1,000, 4 × active
 * hosts), in batches, and one at least when nothing is left to hand out.
 */
export function experimentsToCreate(facts: {
  /** Running campaigns of its owner beside it. */
  readonly furtherCampaigns: number
  readonly unsent: number
  readonly activeHosts: number
  readonly resultsPerExperiment: number // seeds × quorum
  readonly seedsPerExperiment: number
  readonly remaining: number
}): number {
  const { unsent, activeHosts, furtherCampaigns, remaining } = facts
  const { resultsPerExperiment, seedsPerExperiment } = facts
  const most = Math.max(UNSENT_MIN, UNSENT_PER_HOST * activeHosts)
  const room = Math.floor(most * fairShare(furtherCampaigns)) - unsent
  const fitting = Math.max(0, Math.floor(room / resultsPerExperiment))
  const atLeast = unsent === 0 ? 1 : 0
  return Math.min(remaining, plannedPerBatch(seedsPerExperiment), Math.max(atLeast, fitting))
}

// What is left to hand out of a campaign that may rest. The smallest of batches below are taken of it before the next look.
const STOCK_MIN = 750

/** Whether a campaign with so many unsent results has work in store for a while. */
export const isStocked = (unsent: number): boolean => unsent >= STOCK_MIN

// Units that are made at once for little more than what a look costs by itself. Planning them holds up calls for some 30 ms.
const UNITS_PER_LOOK = 500
const REST_MS_MAX = 4_000
// The verifier's next step depends on it.
const RANKING_REST_MS_MAX = 1_000

/** How long a campaign that is stocked needs no look: until about so many units are missing again, at the pace of the last `sinceMs`. */
export function restMsOf(facts: {
  readonly made: number // units, at the end of that time
  readonly sinceMs: number
  /** Whether it is being found out what is a record. */
  readonly isRanking: boolean
}): number {
  const { made, sinceMs, isRanking } = facts
  const untilMissingMs = made === 0 ? REST_MS_MAX : (UNITS_PER_LOOK * sinceMs) / made
  return Math.min(untilMissingMs, isRanking ? RANKING_REST_MS_MAX : REST_MS_MAX)
}
