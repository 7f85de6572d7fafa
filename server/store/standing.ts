import { z } from 'zod'
import type { Standing } from '#domain/settle.ts'
import { HostId, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, select } from './rows.ts'

/** Locks hosts, ids ascending, and reads what judging their results changes. */
export async function lockStandings(
  trx: Trx,
  ids: readonly HostId[],
): Promise<ReadonlyMap<HostId, Standing>> {
  if (ids.length === 0) return new Map()
  const rows = await select(trx, StandingRow, LOCK, { ids: [...new Set(ids)] })
  return new Map(rows.map(row => [row.id, row]))
}

/** Writes standings of locked hosts. */
export async function saveStandings(trx: Trx, standings: readonly Standing[]): Promise<void> {
  if (standings.length === 0) return
  await execute(trx, SAVE, {
    ids: column(standings, s => s.id),
    states: column(standings, s => s.state),
    quotas: column(standings, s => s.dailyQuota),
    checks: column(standings, s => s.recentChecks),
  })
}

const StandingRow = z.object({
  id: HostId,
  userId: UserId.nullable(),
  state: z.enum(['active', 'quarantined', 'retired']),
  dailyQuota: z.int(),
  recentChecks: z.string(),
})

const LOCK = `
  select id, user_id as "userId", state, daily_quota as "dailyQuota", recent_checks as "recentChecks"
  from hosts where id = any(:ids) order by id for no key update`

const SAVE = `
  update hosts h set state = x.state, daily_quota = x.quota, recent_checks = x.checks
  from unnest(:ids::text[], :states::host_state[], :quotas::int[], :checks::text[]) as x (id, state, quota, checks)
  where h.id = x.id`
