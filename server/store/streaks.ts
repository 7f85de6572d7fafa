import { z } from 'zod'
import { EXCLUSION_MS } from '#domain/trust.ts'
import { addMs, type Instant, instant } from '#protocol/units.ts'
import { type Executor, selectOne, toDb } from './rows.ts'

const Moment = z
  .number()
  .nullable()
  .transform((ms): Instant | null => (ms === null ? null : instant(ms)))

/** Streaks by engine class, as `STREAKS` gives them. */
export const StreaksRow = z.record(
  z.string(),
  z.object({ count: z.int(), fuel: z.int(), finalUntil: Moment, faultAt: Moment }),
)

/** An expression over a row of `hosts`. Moments are whole milliseconds. */
export const STREAKS = `
  coalesce((select jsonb_object_agg(s.engine_class, jsonb_build_object('count', s.count, 'fuel', s.fuel,
      'finalUntil', round(extract(epoch from s.final_until) * 1000),
      'faultAt', round(extract(epoch from s.fault_at) * 1000)))
    from streaks s where s.host_id = hosts.id), '{}')`

/** How often its owner was excluded since `:exclusionsSince`: an expression over a row of `hosts`. */
export const EXCLUSIONS = `
  (select count(*) from exclusions x
    where x.owner_key = hosts.owner_key and x.at > :exclusionsSince and x.lifted_at is null)`

/** The binding of `EXCLUSIONS`. */
export const exclusionsSince = (now: Instant): Date => toDb(addMs(now, -EXCLUSION_MS))

/**
 * Owners with a host seen since then whose streak has the length that proves a host nobody was excluded with, counted up
 * to `limit`: whether there are enough is all that matters.
 */
export async function countProvenOwners(on: Executor, since: Instant, limit: number): Promise<number> {
  const row = await selectOne(on, z.object({ owners: z.int() }), PROVEN_OWNERS, { since: toDb(since), limit })
  return row.owners
}

const PROVEN_OWNERS = `
  select count(*) as owners from (
    select distinct h.owner_key from streaks s join hosts h on h.id = s.host_id
    where s.count >= 10 and h.last_seen_at > :since and h.state = 'active' and not h.trusted limit :limit) as proven`
