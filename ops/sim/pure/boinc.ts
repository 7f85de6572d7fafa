import { payeeAccount } from '#domain/ledger.ts'
import { earned } from '#domain/prices.ts'
import type { Success } from '#domain/settle.ts'
import { grantOf } from '#domain/settle-pay.ts'
import { type Effect, transition } from '#domain/transition.ts'
import { type Streak, streakOf, type TrustRules } from '#domain/trust.ts'
import { addMs, type Instant, instant } from '#protocol/units.ts'
import { digestOf } from '../truth.ts'
import { rowOf } from './apply.ts'
import { pay } from './pay.ts'
import { type ResultRow, type State, touch, type UnitRow } from './state.ts'

/** BOINC's adaptive replication in our terms: no verifier, no floor under 1/N, no records. */
export const BOINC_RULES: TrustRules = {
  ...{ streakNeeded: 10, streakFuel: 1, checkShareMin: 0, verifierShare: 0, sampleShare: 0, leaderRows: 0 },
}

/**
 * What BOINC's transitioner would do about an open unit: a result of a reliable host stands alone unless a second one was
 * drawn; else two equal ones are needed, and while there are none another replica is made. The rest is as ours.
 */
export function transitionBoinc(unit: UnitRow, now: Instant): Effect[] {
  const { workUnit } = unit
  const results = unit.results.map(({ result }) => result)
  if (workUnit.state !== 'open') return transition(workUnit, results, now)
  const expired = unit.results.flatMap(({ result, host }): Effect[] =>
    result.state === 'in_progress' && result.deadline <= now && host !== null
      ? [{ type: 'expire_result', resultId: result.id, hostId: host.id }]
      : [],
  )
  if (canonicalOf(unit) !== undefined)
    return [...expired, { type: 'request_validation' }, { type: 'wake', at: addMs(now, 15_000) }]
  const live = unit.results.filter(
    ({ result }) => result.state === 'unsent' || (result.state === 'in_progress' && result.deadline > now),
  )
  const missing = needed(unit, live) - largestGroup(unit).length - live.length
  const deadlines = live.flatMap(({ result }) => (result.state === 'in_progress' ? [result.deadline] : []))
  const wakeAt = deadlines.length === 0 ? null : instant(Math.min(...deadlines))
  const attempt = unit.results.filter(
    ({ result }) => 'outcome' in result && result.outcome === 'no_reply',
  ).length
  const create: Effect = { type: 'create_results', kind: 'replica', lane: 'anyone', count: missing, attempt }
  return [...expired, ...(missing > 0 ? [create] : []), { type: 'wake', at: wakeAt }]
}

/** Judges an open unit by the majority, and what comes late by what stands. */
export function validateBoinc(state: State, unit: UnitRow): void {
  const { workUnit } = unit
  const standing = workUnit.state === 'valid' ? rowOf(unit, workUnit.canonicalId) : canonicalOf(unit)
  const judged = pendingOf(unit)
  const isReplicated = judged.length > 1 || workUnit.state === 'valid'
  for (const row of judged) judge(state, row, { standing, isReplicated })
  if (workUnit.state === 'open' && standing !== undefined)
    unit.workUnit = { ...workUnit, state: 'valid', canonicalId: standing.result.id, publishedAt: null }
  touch(state, unit)
}

interface Against {
  readonly standing: ResultRow | undefined
  readonly isReplicated: boolean
}

function judge(state: State, row: ResultRow, { standing, isReplicated }: Against): void {
  const { result, unit, host } = row
  if (result.state !== 'over' || result.outcome !== 'success' || host === null) return
  const isValid = standing !== undefined && digest(standing) === digest(row)
  const verdict = isValid ? 'valid' : standing === undefined ? 'inconclusive' : 'invalid'
  row.result = { ...result, verdict }
  const streak = streakOf(host.standing, 'wasm')
  if (isReplicated && standing !== undefined)
    host.standing = {
      ...host.standing,
      streaks: { wasm: isValid ? longer(streak, row) : { ...streak, count: 0 } },
    }
  if (!isValid) return
  const run = {
    fuelUsed: row.fuelUsed,
    fuelMax: unit.workUnit.fuelMax,
    priceMilliPerGfuel: unit.campaign.price,
  }
  const paid: Success['paid'] = { amountMilli: earned(run), decision: row.decision, vested: true }
  row.paid = paid
  const grants = grantOf(unit.workUnit, { id: result.id, paid }, { id: host.id, userId: null })
  pay(state, {
    grants: grants.map(g => ({ ...g, payee: payeeAccount(host.standing) })),
    vestNow: new Set([result.id]),
  })
}

const longer = (streak: Streak, { fuelUsed }: ResultRow): Streak => ({
  ...streak,
  count: streak.count + 1,
  fuel: streak.fuel + fuelUsed,
})

const digest = ({ answer }: ResultRow): string => (answer === null ? '' : digestOf(answer))

const pendingOf = ({ results }: UnitRow): ResultRow[] =>
  results.filter(({ result }) => 'verdict' in result && result.verdict === 'pending')

/** What would stand: one that stands alone, or the first of a group that is large enough. */
function canonicalOf(unit: UnitRow): ResultRow | undefined {
  const group = largestGroup(unit)
  return group.length >= needed(unit, []) ? group[0] : undefined
}

function largestGroup(unit: UnitRow): ResultRow[] {
  const groups = new Map<string, ResultRow[]>()
  for (const row of pendingOf(unit)) groups.set(digest(row), [...(groups.get(digest(row)) ?? []), row])
  return [...groups.values()].sort((a, b) => b.length - a.length)[0] ?? []
}

// Who holds it or has answered decides: one reliable host whose result was not drawn is enough.
function needed(unit: UnitRow, live: readonly ResultRow[]): number {
  const pending = pendingOf(unit)
  const [only] = [...pending, ...live]
  if (only === undefined || pending.length + live.length > 1) return only === undefined ? 1 : 2
  const { result } = only
  if (result.state === 'unsent') return unit.results.length > 1 ? 2 : 1
  const isDrawn = 'draw' in result && result.draw !== 'none'
  return 'proven' in result && result.proven && !isDrawn ? 1 : 2
}
