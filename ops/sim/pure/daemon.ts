import { addMs, type Instant, instant } from '#protocol/units.ts'
import type { Random } from '../random.ts'
import {
  HEARD_MS,
  OPEN_CANARIES_PER_CORE,
  PROVEN_OWNERS_FEW,
  SILENT_MS,
  UNITS_PER_CANARY,
  WAITS_MS,
} from './settings.ts'
import { type HostRow, type ResultRow, type State, touch, type UnitRow } from './state.ts'

/** How many units it has seen, and its canaries that are not judged yet. */
export interface Canaries {
  seen: number
  open: UnitRow[]
}

/** The economics daemon: makes canaries, and draws checks of results that would otherwise stay provisional. */
export function audit(state: State, random: Random, canaries: Canaries): void {
  const now = instant(state.clock.now)
  canaries.open = canaries.open.filter(({ workUnit }) => workUnit.state === 'open')
  for (const unit of untouched(state, canariesWanted(state, canaries, now))) {
    unit.workUnit = { ...unit.workUnit, canary: true }
    unit.reason = 'canary'
    canaries.open.push(unit)
    touch(state, unit)
  }
  for (const host of state.hosts.values()) {
    const row = waiting(host, now, random)
    if (row === undefined) continue
    row.unit.workUnit = { ...row.unit.workUnit, check: 'verifier', auditedAt: now }
    row.unit.reason = 'audit'
    touch(state, row.unit)
  }
}

function canariesWanted(state: State, canaries: Canaries, now: Instant): number {
  if (state.presence.provenOwners(now) >= PROVEN_OWNERS_FEW) {
    const trickle = Math.floor((state.units.size - canaries.seen) / UNITS_PER_CANARY)
    canaries.seen += trickle * UNITS_PER_CANARY
    return trickle
  }
  canaries.seen = state.units.size
  let [unproven, cores] = [0, 0]
  for (const host of state.hosts.values()) {
    if (host.trusted) cores += host.cores
    else if (host.lastSeen > addMs(now, -HEARD_MS)) unproven++
  }
  return Math.max(0, Math.min(unproven, cores * OPEN_CANARIES_PER_CORE) - canaries.open.length)
}

function untouched(state: State, count: number): UnitRow[] {
  const found: UnitRow[] = []
  for (const { unit } of state.unsent.anyone.items) {
    if (found.length >= count) break
    const isNew = unit.results.length === 1 && unit.workUnit.state === 'open' && !unit.workUnit.canary
    if (isNew) found.push(unit)
  }
  return found
}

function waiting(host: HostRow, now: Instant, random: Random): ResultRow | undefined {
  if (host.provisional.length === 0) return undefined
  const mine = host.provisional
    .filter(row => row.provisional)
    .sort((a, b) => (a.reportedAt ?? 0) - (b.reportedAt ?? 0) || (a.result.id < b.result.id ? -1 : 1))
  const [oldest] = mine
  if (oldest === undefined || oldest.reportedAt === null) return undefined
  if (mine.some(({ unit }) => unit.workUnit.check === 'verifier')) return undefined // one is being made
  const isDue = oldest.reportedAt <= now - WAITS_MS || host.lastSeen <= now - SILENT_MS
  return isDue ? mine[Math.floor(random() * mine.length)] : undefined
}
