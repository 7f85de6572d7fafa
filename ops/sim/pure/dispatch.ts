import {
  candidatesFor,
  deal,
  leasesAllowed,
  mayTake,
  pairAfter,
  retryAfter,
  starveAfter,
} from '#domain/dispatch.ts'
import { deadlineFor } from '#domain/transition.ts'
import { EXCLUSION_MS, mayCompute, provenFuel, streakOf } from '#domain/trust.ts'
import type { Lane } from '#domain/types.ts'
import { addMs, type Instant, instant } from '#protocol/units.ts'
import type { SimLease } from '../grid.ts'
import { type HostRow, type ResultRow, type State, setResult, setWake, touch } from './state.ts'

// The operator's setting, for a grid whose queue is hours long: the verifier's cores are for checks.
const STARVE_MS = 12 * 3600_000
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
  if (!host.trusted) state.presence.heard(host.ownerKey, proven > 0, now)
  const take = leasesAllowed({
    ...{ want, held: host.leases.size, cores: host.cores, trusted: host.trusted, resent: 0 },
    ...{ mayCompute: mayCompute(host.standing), dailyQuota: host.standing.dailyQuota },
    usedToday: host.usedToday,
  })
  if (take === 0) return []
  const candidates = candidatesOf(state, host, proven, candidatesFor(take))
  const asking = {
    ...{ hostId: host.id, ownerKey: host.ownerKey, take },
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

const LANES: readonly Lane[] = ['anyone', 'proven', 'unproven', 'verifier']

// Lanes are walked side by side in the order of dispatch, each only as far as it has somebody's place.
function candidatesOf(state: State, host: HostRow, proven: number, limit: number): ResultRow[] {
  const { now } = state.clock
  const pairMs = pairAfter(state.presence.provenOwners(now), STARVE_MS)
  const starveMs = starveAfter(state.presence.owners(now), STARVE_MS)
  const isFor = (row: ResultRow): boolean => {
    const seat = { lane: row.result.lane, waitedMs: now - row.result.createdAt }
    const who = { trusted: host.trusted, proven: proven >= row.unit.workUnit.fuelMax }
    return mayTake(who, seat, { pairMs, starveMs }) && isFree(host, row)
  }
  const found: ResultRow[] = []
  for (const lane of LANES) {
    let mine = 0
    for (const row of state.unsent[lane].items) {
      if (isFor(row)) {
        found.push(row)
        mine++
      } else if (isTooNew(row, { lane, host, proven, pairMs, starveMs, now })) break
      if (mine === limit) break
    }
  }
  return found.sort((a, b) => a.order - b.order).slice(0, limit)
}

interface Look {
  readonly lane: Lane
  readonly host: HostRow
  readonly proven: number
  readonly pairMs: number
  readonly starveMs: number
  readonly now: number
}

// Of a lane that is not the host's own only what has waited too long is open to it; units wait in their order, so that
// after the first few nobody has waited longer. A look that goes on would read the whole lane for nothing.
function isTooNew(row: ResultRow, { host, lane, pairMs, starveMs, now }: Look): boolean {
  if (host.trusted) return lane !== 'verifier' && now - row.result.createdAt < starveMs
  return lane === 'verifier' || (lane !== 'anyone' && now - row.result.createdAt < pairMs)
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
