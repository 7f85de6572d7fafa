import type { Instant, MilliCredit } from '#protocol/units.ts'
import type { TransferKind } from './ledger.ts'

const DAY_MS = 24 * 3600_000
/** Recent average credit forgets half in a week, as BOINC's (CREDIT_HALF_LIFE). */
export const RECENT_HALF_LIFE_MS = 7 * DAY_MS

/** How a host computes: in a browser tab, or by the command line. */
export type Via = 'tab' | 'cli'

/** A transfer of the ledger, as far as it says what somebody gave. */
export interface Moved {
  readonly kind: TransferKind
  /** Of the accounts that it moves between, the one that a person or a host owns and may spend from; null: neither is one. */
  readonly party: string | null
  readonly sign: 1 | -1
  readonly amountMilli: MilliCredit
  readonly via: Via
  /** How many results it is about, and what they took together. */
  readonly results: number
  readonly fuel: number
  readonly at: Instant
}

/** What is added to, or taken from, what a party gave on a day. */
export interface Contribution {
  readonly party: string
  readonly via: Via
  /** UTC, as YYYY-MM-DD. */
  readonly day: string
  readonly valid: number
  readonly creditMilli: MilliCredit
  readonly fuel: number
  readonly impact: number
  /** What of the credit is left at `now` of the sum that forgets half in a week, milli-credits. */
  readonly recentMilli: number
  readonly at: Instant
}

/**
 * What transfers say of who gave what: a result counts when its credit is final (`vest`, or `restore` after a won appeal), and is taken
 * back with it (`reverse` of what was final). A debt is repaid out of what is earned, so `repay` lessens that.
 */
export function contributionsOf(moved: readonly Moved[], now: Instant): Contribution[] {
  return moved.flatMap(({ kind, party, sign, amountMilli, via, results, fuel, at }) => {
    if (party === null) return []
    if (kind !== 'vest' && kind !== 'restore' && kind !== 'reverse' && kind !== 'repay') return []
    const counts = kind === 'repay' ? 0 : sign
    const creditMilli = sign * amountMilli
    const recentMilli = creditMilli * 2 ** (-Math.max(0, now - at) / RECENT_HALF_LIFE_MS)
    return withAnonymous({
      ...{
        party,
        via,
        day: dayOf(at),
        at,
        valid: counts * results,
        creditMilli,
        fuel: counts * fuel,
        impact: 0,
        recentMilli,
      },
    })
  })
}

interface Impact {
  readonly party: string
  readonly via: Via
  readonly at: Instant
}

/** Results that became a campaign's best or decided a verdict, or with sign −1 did so and were taken back. */
export const impactsOf = (impacts: readonly Impact[], sign: 1 | -1): Contribution[] =>
  impacts.flatMap(({ party, via, at }) =>
    withAnonymous({
      ...{ party, via, day: dayOf(at), at, valid: 0, creditMilli: 0, fuel: 0, impact: sign, recentMilli: 0 },
    }),
  )

/** What hosts gave that nobody claimed is also part of one sum. */
const withAnonymous = (one: Contribution): Contribution[] =>
  one.party.startsWith('host:') ? [one, { ...one, party: ANONYMOUS }] : [one]

export const ANONYMOUS = 'anonymous'

/** The same, summed by party, way and day, in that order: rows are always locked in it. */
export function summed(contributions: readonly Contribution[]): Contribution[] {
  const sums = new Map<string, Contribution>()
  for (const one of contributions) {
    const key = `${one.party} ${one.via} ${one.day}`
    const before = sums.get(key)
    sums.set(key, before === undefined ? one : plus(before, one))
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum)
}

const plus = (a: Contribution, b: Contribution): Contribution => ({
  ...a,
  valid: a.valid + b.valid,
  creditMilli: a.creditMilli + b.creditMilli,
  fuel: a.fuel + b.fuel,
  impact: a.impact + b.impact,
  recentMilli: a.recentMilli + b.recentMilli,
  at: b.at > a.at ? b.at : a.at,
})

/** UTC, as YYYY-MM-DD. */
export const dayOf = (at: Instant): string => new Date(at).toISOString().slice(0, 10)

/**
 * Recent average credit, milli-credits a day: Σ credit · (ln 2 / 7 days) · 2^(−age / 7 days). It is the limit of BOINC's update_average
 * (lib/util.cpp, doc/credit.php) for work that comes in small pieces. `log2` is what the database keeps of the sum.
 */
export function recentAverage(log2: number | null, now: Instant): number {
  if (log2 === null) return 0
  return 2 ** (log2 - now / RECENT_HALF_LIFE_MS) * ((Math.LN2 * DAY_MS) / RECENT_HALF_LIFE_MS)
}
