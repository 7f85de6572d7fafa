import { type Case, type Settlement, type Success, settle } from '#domain/settle.ts'
import { grantOf } from '#domain/settle-pay.ts'
import { isWanted, transition } from '#domain/transition.ts'
import { isFinalBy, type Standing, streakOf } from '#domain/trust.ts'
import { type HostId, instant } from '#protocol/units.ts'
import { digestOf } from '../truth.ts'
import { rowOf } from './apply.ts'
import { pay } from './pay.ts'
import { type HostRow, type ResultRow, type State, touch, type UnitRow } from './state.ts'

/** Judges the pending successes of a unit, pays, and writes what follows for its hosts. */
export function validate(state: State, unit: UnitRow): void {
  const now = instant(state.clock.now)
  const results = unit.results.map(({ result }) => result)
  if (!isWanted('request_validation', transition(unit.workUnit, results, now))) return
  const rows = unit.results.filter(({ result }) => result.state === 'over' && result.outcome === 'success')
  const before = standingsOf(rows)
  const { settlement, standings } = settle(caseOf(state, unit, rows), before, now)
  applySettlement(state, unit, settlement)
  for (const row of rows) if (row.host !== null) saveStanding(state, row.host, standings)
  touch(state, unit)
}

function standingsOf(rows: readonly ResultRow[]): Map<HostId, Standing> {
  return new Map(rows.flatMap(({ host }) => (host === null ? [] : [[host.id, host.standing] as const])))
}

export function caseOf(state: State, unit: UnitRow, rows: readonly ResultRow[]): Case {
  const digest = (id: Success['id']): string => {
    const { answer } = rowOf(unit, id)
    return answer === null ? '' : digestOf(answer)
  }
  return {
    workUnit: unit.workUnit,
    successes: rows.flatMap(successOf).map(s => ({ ...s, copied: isCopied(state, unit, s.id) })),
    priceMilliPerGfuel: unit.campaign.price,
    same: (a, b) => digest(a) === digest(b),
    isRecord: id => {
      const { answer } = rowOf(unit, id)
      const { board } = unit.campaign
      return (
        answer !== null && board.isRecord(unit.workUnit.experimentId, answer.metric, state.rules.leaderRows)
      )
    },
    whereTheyPart: () => 'simulated',
  }
}

/** Its digest was said of another run as well, before or since. */
function isCopied(state: State, unit: UnitRow, id: Success['id']): boolean {
  const { answer } = rowOf(unit, id)
  return answer !== null && (state.digests.get(digestOf(answer))?.size ?? 0) > 1
}

export function successOf(row: ResultRow): Success[] {
  const { result, host, reportedAt, fuelUsed, confirmed, decision, paid } = row
  if (result.state !== 'over' || result.outcome !== 'success' || host === null || reportedAt === null)
    return []
  const { id, trusted, proven, draw, verdict } = result
  return [
    {
      ...{ id, hostId: host.id, ownerKey: host.ownerKey, trusted, proven, draw, verdict },
      ...{ confirmed, reportedAt, fuelUsed, paid, decision, unreadable: null },
    },
  ]
}

function applySettlement(state: State, unit: UnitRow, settlement: Settlement): void {
  const { demand, canonicalId, overturned } = settlement
  if (demand !== null && unit.workUnit.check !== 'verifier') {
    const disputed = unit.workUnit.disputed || demand === 'disagreement'
    unit.workUnit = { ...unit.workUnit, check: 'verifier', disputed }
    unit.reason = demand
    if (demand === 'record') unit.campaign.candidates.add(unit)
  }
  if (overturned) withdraw(state, unit)
  for (const id of settlement.doubted) setSuccess(state, rowOf(unit, id), { proven: false })
  for (const { resultId, verdict, amountMilli, confirmed, provisional } of settlement.verdicts) {
    const row = rowOf(unit, resultId)
    setSuccess(state, row, { verdict })
    row.paid = paidAfter(row, amountMilli, provisional)
    row.decision++
    row.confirmed = confirmed
    setProvisional(row, provisional)
    if (verdict === 'valid' && !confirmed && !row.host?.trusted) row.host?.unconfirmed.add(row)
    else row.host?.unconfirmed.delete(row)
  }
  for (const id of settlement.confirmed) confirm(state, rowOf(unit, id))
  const final = settlement.verdicts.flatMap(v => (v.provisional ? [] : [v.resultId]))
  const { grants, vests, reversals } = settlement
  pay(state, { grants, vestNow: new Set(final), vests, reversals })
  if (canonicalId === null) return
  const publishedAt = 'publishedAt' in unit.workUnit && !overturned ? unit.workUnit.publishedAt : null
  unit.workUnit = { ...openOf(unit), state: 'valid', canonicalId, publishedAt }
  const metric = rowOf(unit, canonicalId).answer?.metric
  if (metric !== undefined) unit.campaign.board.add(unit.workUnit.experimentId, metric)
  for (const { host } of unit.results) host?.rechecked.delete(unit)
}

// A verdict that is given again for the same reason keeps its grant.
function paidAfter(
  { paid, decision }: ResultRow,
  amountMilli: number,
  provisional: boolean,
): Success['paid'] {
  if (amountMilli === 0) return null
  return {
    amountMilli,
    decision: paid?.decision ?? decision,
    vested: (paid?.vested ?? false) || !provisional,
  }
}

/** The parameters of a unit without its state. */
export function openOf({ workUnit }: UnitRow): Extract<UnitRow['workUnit'], { state: 'open' }> {
  const { publishedAt: _, ...open } = { publishedAt: null, ...workUnit }
  return { ...open, state: 'open' }
}

/** The answer that stood is taken out of the campaign's figures, and what follows is published again. */
export function withdraw(state: State, unit: UnitRow): void {
  if (unit.workUnit.state !== 'valid') return
  if (unit.workUnit.publishedAt !== null) unit.campaign.unpublished++
  state.jobs.propose.add(unit.campaign)
  const metric = rowOf(unit, unit.workUnit.canonicalId).answer?.metric
  if (metric !== undefined) unit.campaign.board.remove(unit.workUnit.experimentId, metric)
}

export function setSuccess(
  state: State,
  row: ResultRow,
  change: Partial<{ verdict: Success['verdict']; proven: boolean }>,
): void {
  const { result } = row
  if (result.state === 'over' && result.outcome === 'success') row.result = { ...result, ...change }
  state.changed.add(row.unit)
}

function setProvisional(row: ResultRow, provisional: boolean): void {
  row.provisional = provisional
  const { host, reportedAt } = row
  if (!provisional || host === null || reportedAt === null) return
  host.provisional.push(row)
  if (reportedAt < host.oldestProvisional) host.oldestProvisional = reportedAt
}

function confirm(state: State, row: ResultRow): void {
  row.confirmed = true
  row.host?.unconfirmed.delete(row)
  if (row.provisional) finish(state, row)
}

/** A provisional result is final: shown so, and its pay vests. */
function finish(state: State, row: ResultRow): void {
  row.provisional = false
  state.changed.add(row.unit)
  state.jobs.propose.add(row.unit.campaign)
  const { result, host, paid, unit } = row
  if (host === null || paid === null || paid.vested) return
  pay(state, { vests: grantOf(unit.workUnit, { id: result.id, paid }, host.standing) })
  row.paid = { ...paid, vested: true }
}

function saveStanding(state: State, host: HostRow, standings: ReadonlyMap<HostId, Standing>): void {
  const after = standings.get(host.id)
  if (after === undefined || after === host.standing) return
  const before = host.standing
  host.standing = after
  const [was, is] = [before, after].map(standing => streakOf(standing, 'wasm'))
  if (was?.finalUntil !== is?.finalUntil) finishProvisional(state, host)
  if (was?.faultAt !== is?.faultAt || before.state !== after.state) state.jobs.reopen.add(host)
}

function finishProvisional(state: State, host: HostRow): void {
  const streak = streakOf(host.standing, 'wasm')
  const left: ResultRow[] = []
  for (const row of host.provisional) {
    const isStill = row.provisional && row.result.state === 'over'
    if (!isStill || row.reportedAt === null) continue
    if (isFinalBy(row.reportedAt, streak)) finish(state, row)
    else left.push(row)
  }
  host.provisional = left
}
