import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { dayOf, recentAverage } from '#domain/contribution.ts'
import { BoardCursor, type BoardList, BoardQuery } from '#protocol/boards.ts'
import { addMs, Instant, toWire, type UserId } from '#protocol/units.ts'
import {
  type BoardKey,
  type BoardRow,
  type Place,
  readAnonymous,
  readBoard,
  readOwnRow,
  SPARK_DAYS,
} from '#store/boards.ts'
import { callerIfAny } from './auth.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** GET /contributors: who gave how much, lately, and to what effect. A token or a session finds its own row as well. */
export function showContributors(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit, after, ...key } = parse(BoardQuery, req.query)
    const now = edge.now()
    const from = after === undefined ? undefined : cursorFrom(after)
    const rows = await readBoard(edge.knex, key, { after: from ?? null, limit, now })
    const above = from?.above ?? 0
    const last = rows.at(-1)
    const userId = await askerOf(edge, req)
    const view: BoardList = {
      ...key,
      rows: rows.map((row, i) => viewRow(row, above + i + 1, now)),
      anonymous: gaveOf(await readAnonymous(edge.knex, key), now),
      me: userId === undefined ? null : await viewOwn(edge, key, userId, now),
      nextAfter: last === undefined || rows.length < limit ? null : cursorAt(last, above + rows.length),
    }
    res.json(view)
  }
}

const askerOf = async (edge: Edge, req: Request): Promise<UserId | undefined> =>
  (await callerIfAny(edge, req))?.userId

const Tie = z.int().min(0).max(8e15).pipe(Instant)
const Party = z.string().regex(/^(user:\w{0,40})?$/)
const Cursor = z.tuple([z.number(), Tie, Party, z.int().min(0)])

const cursorAt = ({ value, tie, party }: Place, above: number): BoardCursor =>
  BoardCursor.parse(Buffer.from(JSON.stringify([value, tie, party, above])).toString('base64url'))

function cursorFrom(text: BoardCursor): Place & { readonly above: number } {
  const [value, tie, party, above] = parse(Cursor, jsonOf(Buffer.from(text, 'base64url').toString()))
  return { value, tie, party, above }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused('bad_request', 'after: no such page')
  }
}

async function viewOwn(edge: Edge, key: BoardKey, userId: UserId, now: Instant): Promise<BoardList['me']> {
  const row = await readOwnRow(edge.knex, key, { userId, now })
  if (row === undefined) return null
  // A party sorts behind the empty one: the page after this place begins with the row itself.
  return { ...viewRow(row, row.above + 1, now), at: cursorAt({ ...row, party: '' }, row.above) }
}

type GaveRow = Pick<BoardRow, 'valid' | 'creditMilli' | 'fuel' | 'recent' | 'impact'>
const NOTHING: GaveRow = { valid: 0, creditMilli: 0, fuel: 0, recent: null, impact: 0 }

const gaveOf = (row: GaveRow = NOTHING, now: Instant): BoardList['anonymous'] => ({
  ...{ valid: row.valid, creditMilli: row.creditMilli, fuel: Math.max(0, row.fuel) },
  ...{ recentMilli: recentAverage(row.recent, now), impact: row.impact },
})

function viewRow(row: BoardRow, place: number, now: Instant): BoardList['rows'][number] {
  const known = new Map(row.days.map(({ day, valid }) => [day, valid]))
  const days = Array.from({ length: SPARK_DAYS }, (_, i) => dayOf(addMs(now, (i + 1 - SPARK_DAYS) * DAY_MS)))
  return {
    ...gaveOf(row, now),
    ...{ place, name: row.name, hosts: row.hosts, since: toWire(row.since) },
    days: days.map(day => Math.max(0, known.get(day) ?? 0)),
  }
}

const DAY_MS = 24 * 3600_000
