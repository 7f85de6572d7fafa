import type { Success } from '#domain/settle.ts'
import type { Standing, TrustRules } from '#domain/trust.ts'
import type { Result, WorkUnit } from '#domain/types.ts'
import type {
  CampaignId,
  ExperimentId,
  HostId,
  Instant,
  MilliCredit,
  ResultId,
  UserId,
  WorkUnitId,
} from '#protocol/units.ts'
import type { Ids } from '#server/ids.ts'
import type { Clock } from '../engine.ts'
import type { CampaignSpec } from '../grid.ts'
import { type EventQueue, eventQueue } from '../queue.ts'
import type { Random } from '../random.ts'
import type { Answer, Run } from '../truth.ts'
import { type Books, openBooks } from './ledger.ts'
import type { Presence } from './presence.ts'
import type { Board } from './scores.ts'
import { type Sorted, sortedBy } from './sorted.ts'

/** What the tables of the server hold, as far as decisions depend on it. Rows point at each other instead of joining. */
export interface State {
  readonly rules: TrustRules
  readonly boinc: boolean
  readonly secret: string
  readonly clock: Clock
  readonly random: Random // of dispatch
  readonly ids: Ids
  readonly books: Books
  readonly hosts: Map<HostId, HostRow>
  readonly owners: Map<string, OwnerRow>
  /** Hosts that are trusted. */
  readonly verifiers: HostRow[]
  readonly units: Map<WorkUnitId, UnitRow>
  readonly results: Map<ResultId, ResultRow>
  readonly campaigns: CampaignRow[]
  /** Unsent results by lane, in the order of dispatch. */
  readonly unsent: Readonly<Record<Result['lane'], Sorted<ResultRow>>>
  /** The same, oldest first. */
  readonly waiting: Readonly<Record<Result['lane'], Sorted<ResultRow>>>
  /** Heard within the time for which a host counts as present. */
  readonly present: Presence<HostRow>
  /** Heard within the hour: so many are provided with work. */
  readonly active: Presence<HostRow>
  readonly wakes: EventQueue<UnitRow>
  readonly jobs: Jobs
  /** Of ok reports that were accepted: the runs that they are about, by name. */
  readonly digests: Map<string, Set<string>>
  /** Checks that the verifier began, by reason. */
  readonly checksFor: Map<string, number>
  /** Hosts whose owner is in doubt. */
  readonly paused: Set<HostRow>
  /** Canaries that may not be judged yet. */
  readonly canaries: Set<UnitRow>
  /** Looked at since the simulation asked. */
  readonly changed: Set<UnitRow>
}

/** Wake-ups that wait; a handler takes all of a queue. */
export interface Jobs {
  readonly transition: Set<UnitRow>
  readonly validate: Set<UnitRow>
  readonly assimilate: Set<UnitRow>
  readonly propose: Set<CampaignRow>
  readonly reopen: Set<HostRow>
}

export interface CampaignRow {
  readonly id: CampaignId
  readonly spec: CampaignSpec
  readonly price: MilliCredit // per Gfuel
  readonly board: Board
  readonly experiments: Map<ExperimentId, UnitRow[]>
  readonly ownerId: UserId
  created: number // experiments
  unsent: number
  unpublished: number
  /** Units that wait for the verifier because they look like records. */
  readonly candidates: Set<UnitRow>
  readonly reservedMilli: MilliCredit
  refundedMilli: MilliCredit
}

export interface UnitRow {
  readonly order: number
  readonly run: Run
  readonly campaign: CampaignRow
  workUnit: WorkUnit
  readonly results: ResultRow[]
  wakeAt: Instant | null
  /** Why it waits for the verifier. */
  reason: string
  canaryDraw?: readonly [number, number]
}

export interface ResultRow {
  readonly order: number
  readonly made: number // how many results there were before
  readonly urgency: number // the least comes first
  held: boolean // a check: others of its campaign come before
  readonly unit: UnitRow
  result: Result
  host: HostRow | null
  reportedAt: Instant | null
  answer: Answer | null
  fuelUsed: number
  confirmed: boolean
  provisional: boolean
  decision: number
  paid: Success['paid']
}

export interface HostRow {
  readonly id: HostId
  readonly ownerKey: string
  readonly trusted: boolean
  readonly cores: number
  standing: Standing
  readonly leases: Set<ResultRow>
  usedToday: number
  day: number
  idleSince: Instant | null
  lastSeen: Instant
  /** Valid, and nobody vouches for it. */
  readonly unconfirmed: Set<ResultRow>
  /** Shown as provisional, oldest report first. */
  provisional: ResultRow[]
  /** No provisional one was reported before. */
  oldestProvisional: Instant
  /** Its doubted units that are not judged again yet; while it is paused. */
  readonly rechecked: Set<UnitRow>
  left: boolean // its exclusion was dealt with
}

export interface OwnerRow {
  readonly hosts: HostRow[]
  readonly exclusions: Instant[]
}

// Units have at most some dozen results.
const RESULTS_PER_UNIT = 1024
/** More than any order. */
const URGENCY = 2 ** 48

export function newState(
  given: Pick<State, 'rules' | 'boinc' | 'secret' | 'clock' | 'random' | 'ids' | 'present' | 'active'>,
): State {
  const lane = () => sortedBy<ResultRow>(row => row.urgency * URGENCY + row.order)
  const byAge = () => sortedBy<ResultRow>(row => row.made)
  return {
    ...given,
    books: openBooks(),
    ...{ hosts: new Map(), owners: new Map(), units: new Map(), results: new Map(), campaigns: [] },
    unsent: { anyone: lane(), proven: lane(), unproven: lane(), verifier: lane() },
    waiting: { anyone: byAge(), proven: byAge(), unproven: byAge(), verifier: byAge() },
    wakes: eventQueue(),
    jobs: {
      ...{ transition: new Set(), validate: new Set(), assimilate: new Set() },
      ...{ propose: new Set(), reopen: new Set() },
    },
    ...{
      digests: new Map(),
      checksFor: new Map(),
      paused: new Set(),
      verifiers: [],
      canaries: new Set(),
      changed: new Set(),
    },
  }
}

/** Sets when to look at a unit again; null: never. */
export function setWake(state: State, unit: UnitRow, at: Instant | null): void {
  if (unit.wakeAt === at) return
  unit.wakeAt = at
  if (at !== null) state.wakes.plan(at, unit)
}

/** A unit of which something changed: due now. */
export function touch(state: State, unit: UnitRow): void {
  state.jobs.transition.add(unit)
  state.changed.add(unit)
}

export function addResult(state: State, unit: UnitRow, result: Result): void {
  const row: ResultRow = {
    ...{ order: unit.order * RESULTS_PER_UNIT + unit.results.length, made: state.results.size, unit, result },
    ...{ urgency: urgencyOf(unit, result), held: isHeld(unit, result) },
    ...{ host: null, reportedAt: null, answer: null, fuelUsed: 0 },
    ...{ confirmed: false, provisional: false, decision: 0, paid: null },
  }
  unit.results.push(row)
  state.results.set(result.id, row)
  enqueueUnsent(state, row)
}

/** Changes what a result is; keeps the lists of unsent ones and the counts of leases. */
export function setResult(state: State, row: ResultRow, result: Result): void {
  const was = row.result
  if (was.state === 'unsent') {
    state.unsent[was.lane].remove(row)
    state.waiting[was.lane].remove(row)
    row.unit.campaign.unsent--
  }
  if (was.state === 'in_progress' && row.host !== null) row.host.leases.delete(row)
  row.result = result
  if (result.state === 'in_progress' && row.host !== null) row.host.leases.add(row)
}

// As the priority that the store gives to a check: canaries, disputes, what looks like a record, the rest.
function urgencyOf(unit: UnitRow, { kind }: Result): number {
  if (kind === 'check' && unit.workUnit.canary) return 0
  if (kind === 'check' && unit.workUnit.disputed) return 1
  return kind === 'check' && looksLikeRecord(unit) ? 2 : 3
}

const looksLikeRecord = ({ reason, workUnit }: UnitRow): boolean =>
  reason === 'record' && workUnit.check === 'verifier'

const isHeld = (unit: UnitRow, { kind }: Result): boolean =>
  kind === 'check' &&
  looksLikeRecord(unit) &&
  !unit.workUnit.canary &&
  !unit.workUnit.disputed &&
  !unit.results.some(({ result }) => result.kind === 'check' && !isNotNeeded(result))

/** It was dropped before anybody began. */
export const isNotNeeded = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'not_needed'

function enqueueUnsent(state: State, row: ResultRow): void {
  if (row.result.state !== 'unsent') return
  state.unsent[row.result.lane].add(row)
  state.waiting[row.result.lane].add(row)
  row.unit.campaign.unsent++
}
