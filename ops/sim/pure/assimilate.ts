import { isWanted, transition } from '#domain/transition.ts'
import { instant } from '#protocol/units.ts'
import { type State, setWake, type UnitRow } from './state.ts'

/** Publishes a closed unit. */
export function assimilate(state: State, unit: UnitRow): void {
  const now = instant(state.clock.now)
  const results = unit.results.map(({ result }) => result)
  if (!isWanted('publish', transition(unit.workUnit, results, now))) return
  if (unit.workUnit.state === 'open') return
  unit.workUnit = { ...unit.workUnit, publishedAt: now }
  unit.campaign.unpublished--
  setWake(state, unit, null)
  state.changed.add(unit)
  state.jobs.propose.add(unit.campaign)
}
