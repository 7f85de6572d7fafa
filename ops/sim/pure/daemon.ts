import {
  chooseAudit,
  chooseCanaries,
  HEARD_MS,
  PROVEN_OWNERS_FEW,
  SILENT_MS,
  type Supply,
  WAITS_MS,
} from '#domain/economics.ts'
import { drawn, streakOf } from '#domain/trust.ts'
import { addMs, type Instant, instant, type WorkUnitId } from '#protocol/units.ts'
import { provenOwners } from './dispatch.ts'
import { type HostRow, type State, touch, type UnitRow } from './state.ts'

// As many as the server looks at.
const UNTOUCHED_PER_ROUND = 2_000

/** The economics daemon: makes canaries, and draws checks of results that would otherwise stay provisional. */
export function audit(state: State): void {
  const now = instant(state.clock.now)
  makeCanaries(state, now)
  for (const host of state.hosts.values()) {
    const unit = auditOf(state, host, now)
    if (unit === undefined) continue
    unit.workUnit = { ...unit.workUnit, check: 'verifier', auditedAt: now }
    unit.reason = 'audit'
    touch(state, unit)
  }
}

function makeCanaries(state: State, now: Instant): void {
  const { canaries } = state
  for (const unit of canaries) if (unit.workUnit.state !== 'open') canaries.delete(unit)
  const untouched = untouchedOf(state)
  const chosen = chooseCanaries([...untouched.keys()], supplyOf(state, now), id =>
    drawOf(state, untouched, id),
  )
  for (const id of chosen) {
    const unit = untouched.get(id)
    if (unit === undefined) continue
    unit.workUnit = { ...unit.workUnit, canary: true }
    unit.reason = 'canary'
    canaries.add(unit)
    touch(state, unit)
  }
}

/** Drawn once: a unit may wait for many rounds. */
function drawOf(
  { secret }: State,
  untouched: ReadonlyMap<WorkUnitId, UnitRow>,
  id: WorkUnitId,
): readonly [number, number] {
  const unit = untouched.get(id)
  if (unit === undefined) return drawn(secret, 'canary', id)
  unit.canaryDraw ??= drawn(secret, 'canary', id)
  return unit.canaryDraw
}

function supplyOf(state: State, now: Instant): Supply {
  const since = addMs(now, -HEARD_MS)
  const proven = provenOwners(state, now)
  let [unproven, verifierCores] = [0, 0]
  for (const { trusted, cores, lastSeen, standing } of state.hosts.values()) {
    if (standing.state !== 'active' || lastSeen <= since) continue
    if (trusted) verifierCores += cores
    else if (proven < PROVEN_OWNERS_FEW && streakOf(standing, 'wasm').count < state.rules.streakNeeded)
      unproven++
  }
  return { provenOwners: proven, unproven, verifierCores, openCanaries: state.canaries.size }
}

function untouchedOf(state: State): Map<WorkUnitId, UnitRow> {
  const found = new Map<WorkUnitId, UnitRow>()
  for (const { unit } of state.unsent.anyone.items) {
    if (found.size === UNTOUCHED_PER_ROUND) break
    const { id, canary, check, state: unitState } = unit.workUnit
    const isNew = unit.results.length === 1 && unitState === 'open' && !canary && check !== 'verifier'
    if (isNew) found.set(id, unit)
  }
  return found
}

function auditOf(state: State, host: HostRow, now: Instant): UnitRow | undefined {
  const isSilent = host.lastSeen <= now - SILENT_MS
  if (host.provisional.length === 0 || !(isSilent || host.oldestProvisional <= now - WAITS_MS))
    return undefined
  const mine = host.provisional.filter(row => row.provisional)
  host.provisional = mine
  host.oldestProvisional = instant(Math.min(now, ...mine.map(row => row.reportedAt ?? now)))
  if (mine.length === 0 || !(isSilent || host.oldestProvisional <= now - WAITS_MS)) return undefined
  if (mine.some(({ unit }) => isBeingChecked(unit, now))) return undefined
  const units = new Map(mine.map(({ unit }) => [unit.workUnit.id, unit]))
  const chosen = chooseAudit([...units.keys()], id => drawn(state.secret, `audit ${now}`, id))
  return chosen === undefined ? undefined : units.get(chosen)
}

function isBeingChecked({ workUnit, results }: UnitRow, now: Instant): boolean {
  const { check, auditedAt } = workUnit
  if (check !== 'verifier') return false
  if (auditedAt !== null && auditedAt > now - WAITS_MS) return true
  return results.some(({ result }) => result.kind === 'check' && result.state !== 'over')
}
