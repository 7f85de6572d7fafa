import type { Instant } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, toDb } from './rows.ts'

const FORGET_PREFIXES = `
  update hosts set prefix = null, prefix_seen_at = null where prefix_seen_at < :before`

// An anonymous host keeps the owner that its network gave it while it is seen there. A returning one is its own owner then,
// and still never paired with its neighbours.
const FORGET_OWNERS = `
  update hosts set owner_key = 'host:' || id
  where owner_key like 'prefix:%' and created_at < :before and owner_key is distinct from 'prefix:' || prefix`

const FORGET_STARTERS = `update starters set prefix = null where prefix is not null and granted_at < :before`

// By then they count against nobody of that network any more.
const FORGET_EXCLUSIONS = `
  update exclusions set owner_key = 'host:' || host_id where owner_key like 'prefix:%' and at < :before`

// Of a result that somebody holds the next round finds it again.
const FORGET_RESULTS = `
  with old as (
    select id from results
    where (prefix is not null or owner_key like 'prefix:%') and sent_at < :before
    order by sent_at limit :limit for no key update skip locked)
  update results r set prefix = null,
    owner_key = case when r.owner_key like 'prefix:%' then 'host:' || r.host_id else r.owner_key end
  from old where r.id = old.id`

/** Forgets names of networks that were last seen before `before`, of at most `limit` results; returns how many rows. */
export async function forgetNetworks(
  trx: Trx,
  { before, limit }: { before: Instant; limit: number },
): Promise<number> {
  const then = { before: toDb(before) }
  // Hosts before results, as who judges.
  const prefixes = await execute(trx, FORGET_PREFIXES, then)
  const owners = await execute(trx, FORGET_OWNERS, then)
  const results = await execute(trx, FORGET_RESULTS, { ...then, limit })
  const exclusions = await execute(trx, FORGET_EXCLUSIONS, then)
  return results + prefixes + owners + exclusions + (await execute(trx, FORGET_STARTERS, then))
}
