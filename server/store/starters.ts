import { z } from 'zod'
import { type Instant, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, select, selectOne, toDb } from './rows.ts'

const Today = z.object({ givenMilli: z.int(), ofPrefix: z.int() })

/** What was given as starters on the UTC day of `now`, and how many of them to this prefix. */
export const startersToday = (
  trx: Trx,
  { prefix, now }: { prefix: string | null; now: Instant },
): Promise<z.infer<typeof Today>> => selectOne(trx, Today, TODAY, { prefix, now: toDb(now) })

export interface NewStarter {
  readonly userId: UserId
  readonly prefix: string | null
  readonly amountMilli: number
  readonly now: Instant
  readonly lapsesAt: Instant
}

/** Writes a starter down; false when the account had one. */
export const insertStarter = async (trx: Trx, { now, lapsesAt, ...given }: NewStarter): Promise<boolean> =>
  (await execute(trx, INSERT, { ...given, now: toDb(now), lapsesAt: toDb(lapsesAt) })) === 1

const DueRow = z.object({
  userId: UserId,
  starterMilli: z.int(),
  lapsedMilli: z.int(),
  spentMilli: z.int(),
  /** A campaign submitted before it lapsed may still give something back. */
  isOpen: z.boolean(),
})
export type DueStarter = z.infer<typeof DueRow>

/** Starters that lapse, or of which something came back after they lapsed; locked, those of others skipped. */
export const dueStarters = (trx: Trx, now: Instant, limit: number): Promise<DueStarter[]> =>
  select(trx, DueRow, DUE, { now: toDb(now), limit })

export const closeStarters = (trx: Trx, userIds: readonly UserId[], now: Instant): Promise<number> =>
  execute(trx, CLOSE, { userIds, now: toDb(now) })

const TODAY = `
  select cast(coalesce(sum(amount_milli), 0) as bigint) as "givenMilli",
    count(*) filter (where prefix = :prefix) as "ofPrefix"
  from starters where granted_at >= date_trunc('day', cast(:now as timestamptz), 'UTC')
    and granted_at < date_trunc('day', cast(:now as timestamptz), 'UTC') + interval '1 day'`

const INSERT = `
  insert into starters (user_id, prefix, amount_milli, granted_at, lapses_at)
  values (:userId, :prefix, :amountMilli, :now, :lapsesAt) on conflict do nothing`

const DUE = `
  with due as (
    select user_id, amount_milli, lapses_at from starters where closed_at is null and lapses_at <= :now
    order by lapses_at limit :limit for update skip locked)
  select d.user_id as "userId", d.amount_milli as "starterMilli",
    (select cast(coalesce(sum(t.amount_milli), 0) as bigint) from transfers t
      where t.debit = 'user:' || d.user_id and t.debit not like 'escrow:%' and t.kind = 'lapse') as "lapsedMilli",
    (select cast(coalesce(sum(case t.kind when 'reserve' then t.amount_milli else -t.amount_milli end), 0) as bigint)
      from campaigns c join transfers t on t.campaign_id = c.id and t.kind in ('reserve', 'refund')
      where c.owner_id = d.user_id and c.created_at < d.lapses_at) as "spentMilli",
    exists (select from campaigns c
      where c.owner_id = d.user_id and c.created_at < d.lapses_at and c.settled_at is null) as "isOpen"
  from due d order by d.user_id`

const CLOSE = `update starters set closed_at = :now where user_id = any(:userIds)`
