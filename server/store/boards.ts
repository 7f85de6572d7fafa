import { z } from 'zod'
import { dayOf } from '#domain/contribution.ts'
import type { BoardName, BoardSpan, BoardVia } from '#protocol/boards.ts'
import { addMs, type Instant, UserId } from '#protocol/units.ts'
import { type Executor, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

export interface BoardKey {
  readonly board: BoardName
  readonly via: BoardVia
  readonly span: BoardSpan
}

const Place = z.object({ value: z.number(), tie: Timestamp, party: z.string() })
/** Where a row stands: rows go by value, the largest first, then by date, then by party. */
export type Place = z.infer<typeof Place>

const Gave = z.object({
  valid: z.int(),
  creditMilli: z.int(),
  fuel: z.number(),
  /** log2 of the sum that forgets. */
  recent: z.number().nullable(),
  impact: z.int(),
})

const BoardRow = Gave.extend({
  ...Place.shape,
  ...{ userId: UserId, name: z.string(), hosts: z.int(), since: Timestamp },
  days: z.array(z.object({ day: z.string(), valid: z.int() })),
})
export type BoardRow = z.infer<typeof BoardRow>

// Each is read by an index of its own (migration contributions).
const orderOf = ({ board, span }: Omit<BoardKey, 'via'>): { value: string; tie: string } => {
  if (board === 'recent') return { value: 'c.recent', tie: 'c.since' }
  return board === 'impact'
    ? { value: `c.impact_${span}`, tie: 'c.impact_at' }
    : { value: `c.credit_${span}`, tie: 'c.since' }
}

const gaveIn = (span: BoardSpan): string => `
  c.valid_${span} as valid, c.credit_${span} as "creditMilli", c.fuel_${span} as fuel, c.impact_${span} as impact, c.recent`

const rowsOf = (key: BoardKey): string => {
  const { value, tie } = orderOf(key)
  return `
  select cast(${value} as double precision) as value, ${tie} as tie, c.party, ${gaveIn(key.span)}, c.since, u.id as "userId", u.name,
    (select count(*) from hosts h where h.user_id = u.id and h.state <> 'retired') as hosts,
    coalesce((select jsonb_agg(jsonb_build_object('day', d.day, 'valid', d.valid)) from contribution_days d
      where d.party = c.party and d.via = c.via and d.day > cast(:sparkFrom as date)), '[]') as days
  from contributors c join users u on u.id = substr(c.party, 6) and u.deleted_at is null`
}

const listed = (key: BoardKey): string => {
  const { value } = orderOf(key)
  return `c.via = cast(:via as contribution_via) and c.party like 'user:%'
    and ${key.board === 'recent' ? `${value} is not null` : `${value} > 0`}`
}

/** Days that a row's sparkline has. */
export const SPARK_DAYS = 14
const sparkFrom = (now: Instant): string => dayOf(addMs(now, -SPARK_DAYS * 24 * 3600_000))

interface Page {
  readonly after: Place | null
  readonly limit: number
  readonly now: Instant
}

/** Accounts by what they gave, from the index. */
export const readBoard = (on: Executor, key: BoardKey, { after, limit, now }: Page): Promise<BoardRow[]> => {
  const { value, tie } = orderOf(key)
  const sql = `${rowsOf(key)}
  where ${listed(key)} and (cast(:value as double precision) is null or (${value} <= :value
    and (${value} < :value or (${tie}, c.party) > (cast(:tie as timestamptz), :party))))
  order by ${value} desc, ${tie}, c.party limit :limit`
  const from = { value: after?.value ?? null, tie: toDb(after?.tie ?? null), party: after?.party ?? '' }
  return select(on, BoardRow, sql, { ...from, limit, via: key.via, sparkFrom: sparkFrom(now) })
}

/** The row of one account, and how many stand above it. */
export async function readOwnRow(
  on: Executor,
  key: BoardKey,
  { userId, now }: { readonly userId: UserId; readonly now: Instant },
): Promise<(BoardRow & { readonly above: number }) | undefined> {
  const bindings = { via: key.via, sparkFrom: sparkFrom(now), party: `user:${userId}` }
  const row = await selectFirst(
    on,
    BoardRow,
    `${rowsOf(key)} where ${listed(key)} and c.party = :party`,
    bindings,
  )
  if (row === undefined) return undefined
  const { value, tie } = orderOf(key)
  const sql = `select count(*) as above from contributors c
    where ${listed(key)} and ${value} >= :value and (${value} > :value or (${tie}, c.party) < (cast(:tie as timestamptz), :party))`
  const place = { value: row.value, tie: toDb(row.tie), party: row.party, via: key.via }
  return { ...row, ...(await selectOne(on, z.object({ above: z.int() }), sql, place)) }
}

/** What hosts that nobody claimed gave together. */
export const readAnonymous = (
  on: Executor,
  { via, span }: BoardKey,
): Promise<z.infer<typeof Gave> | undefined> =>
  selectFirst(
    on,
    Gave,
    `select ${gaveIn(span)} from contributors c where c.party = 'anonymous' and c.via = cast(:via as contribution_via)`,
    { via },
  )
