import { nextQuota } from '#domain/quota.ts'
import { answerSelfTest, drawCheck, drawn, mayCompute, type Standing, streakOf } from '#domain/trust.ts'
import { instant } from '#protocol/units.ts'
import type { Report } from '../grid.ts'
import { type Answer, digestOf, nameOf } from '../truth.ts'
import { provenFuelOf } from './dispatch.ts'
import { type HostRow, type ResultRow, type State, setResult, touch } from './state.ts'

/** Takes one report of a host: a success if it still counts, an error while the lease is held. */
export function receive(state: State, host: HostRow, report: Report): void {
  const row = state.results.get(report.resultId)
  if (row === undefined || row.host !== host) return
  if (report.type === 'success') receiveSuccess(state, host, row, report.answer)
  else receiveError(state, host, row, report.code)
}

function receiveSuccess(state: State, host: HostRow, row: ResultRow, answer: Answer): void {
  const now = instant(state.clock.now)
  const { result, unit } = row
  if (!stillCounts(row, now)) return
  const { id, kind, lane, attempt, createdAt } = result
  const { workUnit } = unit
  const proven = mayCompute(host.standing) && provenFuelOf(state, host, now) >= workUnit.fuelMax
  const facts = {
    ...{ unit: workUnit, ok: true, proven, streak: streakOf(host.standing, workUnit.engineClass).count },
  }
  // As in the server: the verifier says whether the answer of another run was computed here as well, or copied.
  const copied = !state.boinc && isCopied(state, row, answer)
  const drawnCheck = copied ? 'verifier' : drawCheck(facts, drawn(state.secret, 'check', id), state.rules)
  const draw = host.trusted ? 'none' : drawnCheck
  setResult(state, row, {
    ...{ id, kind, lane, attempt, createdAt, state: 'over', outcome: 'success', verdict: 'pending' },
    ...{ draw, hostId: host.id, trusted: host.trusted, proven: proven && !host.trusted },
  })
  row.reportedAt = now
  row.answer = answer
  row.fuelUsed = workUnit.fuelMax
  touch(state, unit)
}

function stillCounts({ result, unit }: ResultRow, now: number): boolean {
  if (result.state === 'in_progress') return true
  if (result.state === 'unsent' || result.outcome === 'success' || result.outcome === 'error') return false
  const inGrace = 'graceUntil' in result && result.graceUntil !== null && now <= result.graceUntil
  return unit.workUnit.state === 'open' || inGrace
}

/** Whether another run had this digest before. */
function isCopied(state: State, { unit: { run } }: ResultRow, answer: Answer): boolean {
  const digest = digestOf(answer)
  const runs = state.digests.get(digest) ?? new Set()
  const isKnown = runs.size > (runs.has(nameOf(run)) ? 1 : 0)
  runs.add(nameOf(run))
  state.digests.set(digest, runs)
  return isKnown
}

function receiveError(
  state: State,
  host: HostRow,
  row: ResultRow,
  code: 'host_stopped' | 'out_of_memory',
): void {
  const { result } = row
  if (result.state !== 'in_progress') return
  const { id, kind, lane, attempt, createdAt, proven } = result
  setResult(state, row, {
    ...{ id, kind, lane, attempt, createdAt, state: 'over', outcome: 'error' },
    ...{ givenBack: code === 'host_stopped', hostId: host.id, trusted: host.trusted, proven },
  })
  const event = code === 'host_stopped' ? 'abort' : 'error'
  host.standing = { ...host.standing, dailyQuota: nextQuota(host.standing.dailyQuota, event) }
  touch(state, row.unit)
}

/** Notes how a demanded self-test went. */
export function receiveSelfTest(state: State, host: HostRow, passed: boolean): void {
  const after: Standing = answerSelfTest(host.standing, passed)
  const isOut = after.state !== host.standing.state
  host.standing = after
  if (isOut) state.jobs.reopen.add(host)
}
