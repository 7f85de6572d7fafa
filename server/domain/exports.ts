import { canonicalJson } from '#protocol/canonical.ts'
import type { ExportPeriod, ExportScope } from '#protocol/exports.ts'
import { type Instant, instant, type Sha256 } from '#protocol/units.ts'
import { sha256Of } from './hash.ts'

/** The version of what an export looks like: another one makes other files of the same rows. */
export const EXPORT_TYPE = 'xeenet/export/1'

// A campaign that runs changes with every publication: nobody can have more than one export a minute made of it.
const INTERVAL_MS = 60_000

/** The name of a scope in the database. */
export const scopeName = (scope: ExportScope): string => ('period' in scope ? scope.period : scope.campaignId)

/** The first moment of a month, and that of the next (UTC). */
export function monthOf(period: ExportPeriod): { readonly from: Instant; readonly until: Instant } {
  const [year = 0, month = 0] = period.split('-').map(Number)
  return { from: instant(Date.UTC(year, month - 1)), until: instant(Date.UTC(year, month)) }
}

interface Newest {
  readonly requestedAt: Instant
  readonly builtAt: Instant | null
  readonly failedAt: Instant | null
}

/**
 * Whether whoever asks is answered by the newest export of the scope whatever has changed: one that is being built, one that failed
 * and would again, or, while the scope still changes, one that was asked for a moment ago.
 */
export function isNewEnough(newest: Newest, { isOver, now }: { isOver: boolean; now: Instant }): boolean {
  const { requestedAt, builtAt, failedAt } = newest
  if (builtAt === null && failedAt === null) return true
  return (!isOver || failedAt !== null) && now - (failedAt ?? requestedAt) < INTERVAL_MS
}

/** What the contents of an export follow from. */
interface Contents {
  readonly scope: ExportScope
  /** Of a campaign: its manifest says these. */
  readonly campaign: { readonly state: string; readonly revision: number } | null
  /** Of the ids of all rows. */
  readonly rowsSha256: Sha256
}

/** Names the contents of an export: equal hashes, equal files but for the moment they were asked for. */
export const stateOf = (contents: Contents): Sha256 =>
  sha256Of(canonicalJson({ type: EXPORT_TYPE, ...contents }))
