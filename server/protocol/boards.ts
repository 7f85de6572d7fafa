import { z } from 'zod'
import { PAGE_ROWS_MAX } from './limits.ts'
import { WireInstant } from './units.ts'

export const BoardName = z.enum(['contribution', 'recent', 'impact'])
export type BoardName = z.infer<typeof BoardName>
export const BoardVia = z.enum(['all', 'tab', 'cli'])
export type BoardVia = z.infer<typeof BoardVia>
export const BoardSpan = z.enum(['week', 'year', 'all'])
export type BoardSpan = z.infer<typeof BoardSpan>

/** Where a page of a board ends: base64url, of this server and for a moment. */
export const BoardCursor = z.string().regex(/^[\w-]{1,300}$/)
export type BoardCursor = z.infer<typeof BoardCursor>

/** GET /api/v1/contributors?… */
export const BoardQuery = z.strictObject({
  board: BoardName.default('contribution'),
  /** Computed in browser tabs, by the command line, or both. */
  via: BoardVia.default('all'),
  /** The last 7 or 365 days (UTC), this one included. What is recent has no span: it forgets half in a week. */
  span: BoardSpan.default('all'),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(50),
  after: BoardCursor.optional(),
})

const Gave = z.object({
  /** Results whose credit is final: at least two machines agreed, or the verifier. */
  valid: z.int(),
  creditMilli: z.int(),
  /** Of those results; above 2^53 rounded. */
  fuel: z.number(),
  /** Milli-credits a day: Σ credit · (ln 2 / 7 days) · 2^(−age / 7 days), the recent average credit of BOINC. */
  recentMilli: z.number(),
  /** Results that became a campaign's best, or decided a verdict. */
  impact: z.int(),
})

const BoardRow = Gave.extend({
  place: z.int(),
  /** What the account calls itself: a stranger's text. */
  name: z.string(),
  hosts: z.int(),
  since: WireInstant,
  /** Valid results of each of the last 14 days (UTC), today last. */
  days: z.array(z.int()),
})
export type BoardRow = z.infer<typeof BoardRow>

/** Accounts by what they gave, the most first; ties by date. Some seconds old. */
export const BoardList = z.object({
  ...{ board: BoardName, via: BoardVia, span: BoardSpan },
  rows: z.array(BoardRow),
  /** All hosts that nobody claimed, and accounts that were deleted, together. They have no place. */
  anonymous: Gave,
  /** Of the account whose token asks; null: it has none here. `at` is the page that begins with it. */
  me: BoardRow.extend({ at: BoardCursor }).nullable(),
  nextAfter: BoardCursor.nullable(),
})
export type BoardList = z.infer<typeof BoardList>
