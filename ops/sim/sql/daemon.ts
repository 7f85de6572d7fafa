import { z } from 'zod'
import { addMs, WorkUnitId } from '#protocol/units.ts'
import { type Executor, execute, select, selectOne, toDb } from '#store/rows.ts'
import { countProvenOwners } from '#store/streaks.ts'
import {
  HEARD_MS,
  OPEN_CANARIES_PER_CORE,
  PRESENT_MS,
  PROVEN_OWNERS_FEW,
  SILENT_MS,
  UNITS_PER_CANARY,
  WAITS_MS,
} from '../pure/settings.ts'
import type { Server } from './server.ts'

/** What the daemon of the server in memory does, on the tables. Gives the units that it changed. */
export async function auditSql(
  { knex, deps }: Server,
  canaries: { seen: number },
  random: () => number,
): Promise<WorkUnitId[]> {
  const now = deps.now()
  const units = await countOf(knex, 'select count(*) as n from work_units')
  const proven = await countProvenOwners(knex, addMs(now, -PRESENT_MS), PROVEN_OWNERS_FEW)
  let wanted: number
  if (proven >= PROVEN_OWNERS_FEW) {
    wanted = Math.floor((units - canaries.seen) / UNITS_PER_CANARY)
    canaries.seen += wanted * UNITS_PER_CANARY
  } else {
    canaries.seen = units
    const since = toDb(addMs(now, -HEARD_MS))
    const unproven = await countOf(knex, HEARD, { since })
    const cores = await countOf(knex, 'select coalesce(sum(cores), 0) as n from hosts where trusted')
    const open = await countOf(knex, `select count(*) as n from work_units where canary and state = 'open'`)
    wanted = Math.max(0, Math.min(unproven, cores * OPEN_CANARIES_PER_CORE) - open)
  }
  const chosen = (await select(knex, IdRow, UNTOUCHED, { limit: wanted })).map(row => row.id)
  await execute(knex, 'update work_units set canary = true where id = any(:ids)', { ids: chosen })
  const audits = await drawAudits(knex, random, {
    now: toDb(now),
    waitsSince: toDb(addMs(now, -WAITS_MS)),
    silentSince: toDb(addMs(now, -SILENT_MS)),
  })
  return [...chosen, ...audits]
}

async function drawAudits(
  on: Executor,
  random: () => number,
  moments: { now: Date; waitsSince: Date; silentSince: Date },
): Promise<WorkUnitId[]> {
  const { now, ...since } = moments
  const rows = await select(on, z.object({ units: z.array(WorkUnitId) }), WAITING, since)
  const audits = rows.flatMap(({ units }) => units[Math.floor(random() * units.length)] ?? [])
  await execute(
    on,
    `update work_units set wanted_check = 'verifier', audited_at = :now where id = any(:audits)`,
    { now, audits },
  )
  return audits
}

const IdRow = z.object({ id: WorkUnitId })

async function countOf(on: Executor, sql: string, bindings: { since?: Date } = {}): Promise<number> {
  return (await selectOne(on, z.object({ n: z.int() }), sql, bindings)).n
}

// Hosts without a streak that proves them, the excluded ones as well.
const HEARD = `select count(*) as n from hosts where not trusted and last_seen_at > :since`

const UNTOUCHED = `
  select w.id from results r join work_units w on w.id = r.work_unit_id
  where r.state = 'unsent' and r.lane = 'anyone' and w.state = 'open' and not w.canary
    and not exists (select from results o where o.work_unit_id = w.id and o.id <> r.id)
  order by r.priority desc, w.id limit :limit`

const WAITING = `
  select array_agg(r.work_unit_id order by r.reported_at, r.id) as units
  from hosts h join results r on r.host_id = h.id join work_units w on w.id = r.work_unit_id
  where r.provisional
  group by h.id, h.last_seen_at
  having (min(r.reported_at) <= :waitsSince or h.last_seen_at <= :silentSince)
    and not bool_or(w.wanted_check = 'verifier')
  order by h.id`
