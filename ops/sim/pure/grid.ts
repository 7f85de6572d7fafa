import { PRESENT_MS } from '#domain/dispatch.ts'
import { reserve, starter } from '#domain/ledger.ts'
import { quote } from '#domain/prices.ts'
import { wholeRuns } from '#domain/rungs.ts'
import { type Effect, isWanted, transition } from '#domain/transition.ts'
import { owesSelfTest, TRUST, type TrustRules } from '#domain/trust.ts'
import { DAILY_QUOTA_START } from '#protocol/limits.ts'
import { instant } from '#protocol/units.ts'
import type { Clock } from '../engine.ts'
import type { Call, CampaignSpec, Ending, Enrolment, Grid, Reply, UnitView } from '../grid.ts'
import { stream } from '../random.ts'
import { applyEffects, rowOf } from './apply.ts'
import { assimilate } from './assimilate.ts'
import { BOINC_RULES, transitionBoinc, validateBoinc } from './boinc.ts'
import { audit } from './daemon.ts'
import { giveWork, retryOf } from './dispatch.ts'
import { countedIds } from './ids.ts'
import { newPresence } from './presence.ts'
import { isVerified, propose } from './propose.ts'
import { receive, receiveSelfTest } from './reception.ts'
import { release, reopenHost } from './reopen.ts'
import { newBoard } from './scores.ts'
import { FUEL } from './settings.ts'
import { type CampaignRow, type HostRow, newState, type State, type UnitRow } from './state.ts'
import { validate } from './validate.ts'

/** The server in memory: the real decisions on rows that point at each other, for millions of work units. */
interface PureOptions {
  readonly seed: number
  readonly clock: Clock
  readonly boinc?: boolean
}

export function pureGrid({ seed, clock, boinc = false }: PureOptions): Grid {
  const rules: TrustRules = boinc ? BOINC_RULES : TRUST
  const state = newState({
    ...{ rules, boinc, clock, secret: `secret ${seed}`, ids: countedIds() },
    ...{ random: stream(seed, 'dispatch'), present: newPresence(PRESENT_MS), active: newPresence(ACTIVE_MS) },
  })
  return {
    leaderRows: rules.leaderRows,
    enrol: async enrolment => enrol(state, enrolment),
    submit: async spec => submit(state, spec),
    call: async call => answer(state, call),
    settle: async () => settle(state),
    audit: async () => {
      if (!boinc) audit(state)
    },
    wakeAt: async () => nextWake(state),
    changes: async () => {
      const views = [...state.changed].map(viewOf)
      state.changed.clear()
      return views
    },
    unsent: async () => state.unsent.anyone.size,
    end: async () => endingOf(state),
  }
}

function enrol(state: State, { ownerKey, trusted, cores }: Enrolment): HostRow['id'] {
  const now = instant(state.clock.now)
  const id = state.ids.host(now)
  const host: HostRow = {
    ...{ id, ownerKey, trusted, cores, usedToday: 0, day: 0, idleSince: null, lastSeen: now },
    standing: {
      ...{ id, userId: null, ownerKey, state: 'active', dailyQuota: DAILY_QUOTA_START },
      ...{ recentChecks: '', selfTest: 'none', streaks: {} },
    },
    ...{
      unconfirmed: new Set(),
      provisional: [],
      oldestProvisional: now,
      rechecked: new Set(),
      leases: new Set(),
      left: false,
    },
  }
  state.hosts.set(id, host)
  if (trusted) state.verifiers.push(host)
  const owner = state.owners.get(ownerKey) ?? { hosts: [], exclusions: [] }
  owner.hosts.push(host)
  state.owners.set(ownerKey, owner)
  return id
}

function submit(state: State, spec: CampaignSpec): CampaignRow['id'] {
  const now = instant(state.clock.now)
  const id = state.ids.campaign(now)
  const { experiments, seeds, quorum } = spec
  const costs = quote({
    byFlops: null,
    units: wholeRuns(experiments * seeds, FUEL),
    quorum,
    policy: 'adaptive',
  })
  const userId = state.ids.user(now)
  const amountMilli = costs.reserveMilli
  state.books.post([starter({ userId, amountMilli }), reserve({ campaignId: id, userId, amountMilli })])
  const campaign: CampaignRow = {
    ...{
      id,
      spec,
      ownerId: userId,
      price: costs.priceMilliPerGfuel,
      board: newBoard(),
      experiments: new Map(),
    },
    ...{
      created: 0,
      unsent: 0,
      unpublished: 0,
      reservedMilli: amountMilli,
      refundedMilli: 0,
      candidates: new Set(),
    },
  }
  state.campaigns.push(campaign)
  state.jobs.propose.add(campaign)
  return id
}

const DAY_MS = 24 * 3600_000
const ACTIVE_MS = 3600_000

function answer(state: State, { hostId, reports, want, selfTest }: Call): Reply {
  const host = state.hosts.get(hostId)
  if (host === undefined) throw new Error('only enrolled hosts call')
  if (host.standing.state === 'quarantined') return { type: 'refused', code: 'host_quarantined' }
  const now = instant(state.clock.now)
  host.lastSeen = now
  state.present.heard(host, now)
  state.active.heard(host, now)
  const today = Math.floor(now / DAY_MS)
  if (today !== host.day) Object.assign(host, { day: today, usedToday: 0 })
  if (selfTest !== null) receiveSelfTest(state, host, selfTest === 'passed')
  for (const report of reports) receive(state, host, report)
  const leases = giveWork(state, host, want)
  host.idleSince = leases.length > 0 || want === 0 ? null : (host.idleSince ?? now)
  return {
    ...{ type: 'reply', leases, retryAfterMs: retryOf(state, host) },
    selfTestDemanded: owesSelfTest(host.standing),
  }
}

/** Runs the jobs of all queues until none is left. */
function settle(state: State): void {
  const { jobs, clock } = state
  while (state.wakes.peek() !== undefined && (state.wakes.peek()?.at ?? 0) <= clock.now) {
    const due = state.wakes.next()
    if (due !== undefined && due.event.wakeAt === due.at) {
      due.event.wakeAt = null
      jobs.transition.add(due.event)
    }
  }
  for (let busy = true; busy; ) {
    const ran =
      moveUnits(state) +
      drain(jobs.reopen, byId, host => reopenHost(state, host)) +
      drain(jobs.propose, byId, campaign => propose(state, campaign))
    busy = ran > 0
  }
  release(state)
}

const byOrder = (a: UnitRow, b: UnitRow): number => a.order - b.order
const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1)

function drain<Item>(
  queue: Set<Item>,
  order: (a: Item, b: Item) => number,
  handle: (item: Item) => void,
): number {
  if (queue.size === 0) return 0
  const items = [...queue].sort(order)
  queue.clear()
  for (const item of items) handle(item)
  return items.length
}

/** Takes all units that are due as far as they go, as the server's batches do; gives how many there were. */
function moveUnits(state: State): number {
  const { jobs } = state
  for (let count = 0; ; ) {
    const units = [...jobs.transition].sort(byOrder)
    if (units.length === 0) return count
    count += units.length
    for (const unit of units) {
      state.changed.add(unit)
      if (isWanted('request_validation', decide(state, unit)))
        (state.boinc ? validateBoinc : validate)(state, unit)
    }
    jobs.transition.clear()
    for (const unit of units) applyEffects(state, unit, decide(state, unit), instant(state.clock.now))
    drain(jobs.validate, byOrder, unit => jobs.transition.add(unit))
    drain(jobs.assimilate, byOrder, unit => assimilate(state, unit))
  }
}

function decide(state: State, unit: UnitRow): Effect[] {
  const now = instant(state.clock.now)
  const results = unit.results.map(({ result }) => result)
  return state.boinc ? transitionBoinc(unit, now) : transition(unit.workUnit, results, now)
}

function nextWake(state: State): ReturnType<typeof instant> | null {
  for (;;) {
    const next = state.wakes.peek()
    if (next === undefined) return null
    if (next.event.wakeAt === next.at) return instant(next.at)
    state.wakes.next()
  }
}

function viewOf(unit: UnitRow): UnitView {
  const { workUnit, run } = unit
  const canonical = workUnit.state === 'valid' ? rowOf(unit, workUnit.canonicalId) : undefined
  return {
    ...{ id: workUnit.id, run, state: workUnit.state },
    canonicalId: canonical?.result.id ?? null,
    canonical: canonical?.answer ?? null,
    provisional: canonical?.provisional ?? false,
    verified: isVerified(unit),
    published: 'publishedAt' in workUnit && workUnit.publishedAt !== null,
  }
}

function endingOf(state: State): Ending {
  const { books, hosts, units } = state
  let sum = 0
  for (const milli of books.balances.values()) sum += milli
  const open = [...units.values()].filter(({ workUnit }) => workUnit.state === 'open')
  return {
    ledgerSumMilli: sum,
    ledgerDifferences: 0,
    hosts: [...hosts.values()].map(({ id, standing }) => ({
      id,
      excluded: standing.state === 'quarantined',
    })),
    pay: books.pay,
    openUnits: open.map(unit => ({ id: unit.workUnit.id, why: whyOpen(unit) })),
    checksFor: Object.fromEntries(state.checksFor),
  }
}

/** What an open unit waits for; empty when nothing will ever happen to it, which must not be. */
function whyOpen({ results, wakeAt }: UnitRow): string {
  const live = results.filter(({ result }) => result.state === 'unsent' || result.state === 'in_progress')
  if (live.length === 0) return wakeAt === null ? '' : 'a wake-up'
  return live.map(({ result }) => `${result.kind} ${result.state}`).join(', ')
}
