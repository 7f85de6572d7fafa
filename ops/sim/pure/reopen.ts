import { reopen } from '#domain/reopen.ts'
import { type Standing, spreadExclusion } from '#domain/trust.ts'
import { type HostId, type Instant, instant } from '#protocol/units.ts'
import { freeLeases } from './apply.ts'
import { pay } from './pay.ts'
import { type HostRow, type State, touch, type UnitRow } from './state.ts'
import { openOf, setSuccess, successOf, withdraw } from './validate.ts'

/** A host is in doubt, or out: what nobody vouches for but it is judged again; an excluded one takes its owner along. */
export function reopenHost(state: State, host: HostRow): void {
  const now = instant(state.clock.now)
  if (host.standing.state === 'quarantined') exclude(state, host, now)
  for (const unit of unitsInDoubt(host)) reopenUnit(state, unit, host)
}

const unitsInDoubt = (host: HostRow): Set<UnitRow> => new Set([...host.unconfirmed].map(({ unit }) => unit))

function reopenUnit(state: State, unit: UnitRow, host: HostRow): void {
  const doubted = new Map<HostId, Standing>([[host.id, host.standing]])
  const successes = unit.results.flatMap(successOf)
  const reopening = reopen({ workUnit: unit.workUnit, successes }, doubted)
  if (reopening === undefined) return
  pay(state, { reversals: reopening.reversals, to: 'forfeit' })
  for (const { resultId } of reopening.reversals) {
    const row = state.results.get(resultId)
    if (row !== undefined) row.paid = null
  }
  withdraw(state, unit)
  for (const id of reopening.results) {
    const row = state.results.get(id)
    if (row === undefined) continue
    setSuccess(state, row, { verdict: 'pending' })
    row.confirmed = false
    row.host?.unconfirmed.delete(row)
    row.provisional = false
  }
  unit.workUnit = { ...openOf(unit), disputed: true, check: 'verifier' }
  unit.reason = 'reopened'
  if (host.standing.state === 'paused') host.rechecked.add(unit)
  touch(state, unit)
}

/** All that an exclusion does besides re-opening: leases end, and the owner's other hosts stop until they are checked. */
function exclude(state: State, host: HostRow, now: Instant): void {
  const owner = state.owners.get(host.ownerKey)
  if (owner === undefined || host.left) return
  host.left = true
  state.present.gone(host)
  state.active.gone(host)
  owner.exclusions.push(now)
  state.ids.action(now) // the entry in the log
  freeLeases(state, [...host.leases], now)
  const out = new Set(owner.hosts.flatMap(({ id, left }) => (left ? [id] : [])))
  const changed = new Map(
    spreadExclusion(
      owner.hosts.map(({ standing }) => standing),
      out,
    ).map(standing => [standing.id, standing]),
  )
  for (const other of owner.hosts) {
    const after = changed.get(other.id)
    if (after === undefined) continue
    other.standing = after
    if (after.state === 'paused') state.paused.add(other)
    state.jobs.reopen.add(other)
  }
}

/** Paused hosts go on when everything of theirs was judged again and nothing was wrong. */
export function release({ paused }: State): void {
  for (const host of paused) {
    if (host.standing.state === 'paused' && host.rechecked.size > 0) continue
    if (host.standing.state === 'paused') host.standing = { ...host.standing, state: 'active' }
    paused.delete(host)
  }
}
