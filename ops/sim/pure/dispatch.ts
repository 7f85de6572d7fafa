import { candidatesFor, deal, leasesAllowed, pairAfter, retryAfter, starveAfter } from '#domain/dispatch.ts'
import { deadlineFor } from '#domain/transition.ts'
import { EXCLUSION_MS, mayCompute, provenFuel, streakOf } from '#domain/trust.ts'
import type { Lane } from '#domain/types.ts'
import { addMs, type Instant, instant } from '#protocol/units.ts'
import type { SimLease } from '../grid.ts'
import { PAIR_MS, STARVE_MS } from './settings.ts'
import { type HostRow, type ResultRow, type State, setResult, setWake, touch } from './state.ts'

const RETRY_MIN_MS = 1_000
const ENGINE_CLASS = 'wasm'

/** The largest unit that a host may compute alone; 0: none. */
export function provenFuelOf(state: State, host: HostRow, now: Instant): number {
  const exclusions = state.owners.get(host.ownerKey)?.exclusions ?? []
  const lately = exclusions.filter(at => at > now - EXCLUSION_MS).length
  return provenFuel(streakOf(host.standing, ENGINE_CLASS), lately, state.rules)
}

/** Leases up to `want` results to a host. */
export function giveWork(state: State, host: HostRow, want: number): SimLease[] {
  const now = instant(state.clock.now)
  const proven = provenFuelOf(state, host, now)
  const take = leasesAllowed({
    ...{ want, held: host.leases.size, cores: host.cores, trusted: host.trusted, resent: 0 },
    proven: proven > 0,
    ...{ mayCompute: mayCompute(host.standing), dailyQuota: host.standing.dailyQuota },
    usedToday: host.usedToday,
  })
  if (take === 0) return []
  const candidates = candidatesOf(state, host, proven, candidatesFor(take))
  const asking = {
    ...{ hostId: host.id, ownerKey: host.ownerKey, prefix: null, take },
    candidates: candidates.map(row => ({ resultId: row.result.id, workUnitId: row.unit.workUnit.id })),
  }
  const dealt = deal([asking], state.random)
  host.usedToday += dealt.length
  return dealt.flatMap(({ resultId }) => {
    const row = state.results.get(resultId)
    return row === undefined ? [] : [lease(state, host, row, proven >= row.unit.workUnit.fuelMax)]
  })
}

/** When the host may ask again, ms. */
export function retryOf(state: State, host: HostRow): number {
  const idleMs = host.idleSince === null ? 0 : state.clock.now - host.idleSince
  return retryAfter({ idleMs, retryMinMs: RETRY_MIN_MS }, state.random)
}

const isPresent = ({ trusted, standing }: HostRow): boolean => !trusted && standing.state === 'active'

/** Owners with a host that was heard lately. */
const presentOwners = ({ present }: State, now: number): number => ownersOf(present.recent(now), isPresent)

/** Of those, the ones with a host whose streak is long enough. */
export const provenOwners = ({ present, rules }: State, now: number): number =>
  ownersOf(
    present.recent(now),
    host => isPresent(host) && streakOf(host.standing, ENGINE_CLASS).count >= rules.streakNeeded,
  )

function ownersOf(hosts: Iterable<HostRow>, isCounted: (host: HostRow) => boolean): number {
  const owners = new Set<string>()
  for (const host of hosts) if (isCounted(host)) owners.add(host.ownerKey)
  return owners.size
}

// As the store looks: first what is kept for such hosts, then what was kept for others long enough, last what is for
// anyone; of each lane as much as the host may be given, each turn in the order of dispatch.
function candidatesOf(state: State, host: HostRow, proven: number, limit: number): ResultRow[] {
  const { now } = state.clock
  const { unsent, waiting } = state
  const take = (rows: Iterable<ResultRow>, isFor: (row: ResultRow) => boolean): ResultRow[] => {
    const found: ResultRow[] = []
    for (const row of rows) {
      if (found.length === limit) break
      if (isFor(row) && isFree(host, row)) found.push(row)
    }
    return found
  }
  /** What was created until `before` in these lanes: of each the oldest. */
  const since = (lanes: readonly Lane[], before: number): ResultRow[] =>
    lanes
      .flatMap(lane => takeUntil(waiting[lane].items, before, row => isFree(host, row), limit))
      .sort((a, b) => a.order - b.order)
  if (host.trusted) {
    const before = now - starveAfter(presentOwners(state, now), STARVE_MS)
    const checks = take(unsent.verifier.items, row => !row.held)
    const rest = checks.length < limit ? since(['proven', 'unproven', 'anyone'], before) : []
    return [...checks, ...rest].slice(0, limit)
  }
  const before = now - pairAfter(provenOwners(state, now), PAIR_MS)
  const isProven = ({ unit }: ResultRow): boolean => proven >= unit.workUnit.fuelMax
  const own = take(unsent[proven > 0 ? 'proven' : 'unproven'].items, row => proven === 0 || isProven(row))
  const others = own.length < limit ? since([proven > 0 ? 'unproven' : 'proven'], before) : []
  const left = limit - own.length - others.length
  return [...own, ...others, ...(left > 0 ? take(unsent.anyone.items, () => true) : [])].slice(0, limit)
}

function takeUntil(
  rows: Iterable<ResultRow>,
  before: number,
  isFor: (row: ResultRow) => boolean,
  limit: number,
): ResultRow[] {
  const found: ResultRow[] = []
  for (const row of rows) {
    if (found.length === limit || row.result.createdAt > before) break
    if (isFor(row)) found.push(row)
  }
  return found
}

function isFree(host: HostRow, { unit, result }: ResultRow): boolean {
  if (unit.workUnit.state !== 'open' && result.kind === 'replica') return false
  if (!host.trusted) return !unit.results.some(other => other.host?.ownerKey === host.ownerKey)
  return (
    result.kind === 'check' ||
    !unit.results.some(
      ({ result: other }) =>
        'trusted' in other &&
        other.trusted &&
        (other.state === 'in_progress' || ('verdict' in other && other.verdict === 'pending')),
    )
  )
}

function lease(state: State, host: HostRow, row: ResultRow, proven: boolean): SimLease {
  const now = instant(state.clock.now)
  const { unit, result } = row
  const deadline = addMs(now, deadlineFor(unit.workUnit, result.attempt))
  row.host = host
  const { id, kind, lane, attempt, createdAt } = result
  setResult(state, row, {
    ...{ id, kind, lane, attempt, createdAt, state: 'in_progress', deadline },
    ...{ graceUntil: addMs(deadline, unit.workUnit.graceMs), hostId: host.id, trusted: host.trusted, proven },
  })
  setWake(state, unit, unit.wakeAt === null || unit.wakeAt > deadline ? deadline : unit.wakeAt)
  if (!proven) touch(state, unit)
  if (host.trusted) {
    const why = kind === 'check' ? unit.reason : 'starved'
    state.checksFor.set(why, (state.checksFor.get(why) ?? 0) + 1)
  }
  const isCanary = kind === 'check' && unit.workUnit.canary
  return {
    ...{ resultId: id, workUnitId: unit.workUnit.id, run: unit.run },
    purpose: isCanary ? 'canary' : kind,
  }
}
