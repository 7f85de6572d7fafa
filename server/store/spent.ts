import { z } from 'zod'
import { addMs, type Instant } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, selectOne, toDb } from './rows.ts'

const SpentRow = z.object({
  results: z.int(),
  gfuel: z.number(),
  coreHours: z.number(),
  dayResults: z.int(),
  dayGfuel: z.number(),
  dayCoreHours: z.number(),
  unsent: z.int(),
  inProgress: z.int(),
  hosts: z.int(),
  cores: z.int(),
})

const HOUR_MS = 3600_000

/** What all accepted results took, and what waits: the totals, and the results that were reported since they were counted. */
export const readSpent = (on: Executor, now: Instant): Promise<z.infer<typeof SpentRow>> =>
  selectOne(on, SpentRow, SPENT, {
    hourAgo: toDb(addMs(now, -HOUR_MS)),
    dayAgo: toDb(addMs(now, -24 * HOUR_MS)),
  })

// A report takes its moment before it is committed: so long after it, it is there or will never be.
const SETTLED_MS = 10 * 60_000

/** Counts into the totals what nothing changes any more. Of two at once the second waits, and finds nothing left. */
export async function countSpent(trx: Trx, now: Instant): Promise<void> {
  await execute(trx, LOCK, {})
  await execute(trx, ADVANCE, { to: toDb(addMs(now, -SETTLED_MS)) })
}

const gfuel = (fuel: string): string => `cast((${fuel}) / 1e9 as double precision)`
const coreHours = (cpuMs: string): string => `cast((${cpuMs}) / 3.6e6 as double precision)`
const SUMS = `count(*) as results, coalesce(sum(cast(fuel_used as double precision)), 0) as fuel,
  coalesce(sum(cast(cpu_ms as double precision)), 0) as cpu_ms`

const SPENT = `
  select t.results + s.results as results, ${gfuel('t.fuel + s.fuel')} as gfuel,
    ${coreHours('t.cpu_ms + s.cpu_ms')} as "coreHours",
    d.results as "dayResults", ${gfuel('d.fuel')} as "dayGfuel", ${coreHours('d.cpu_ms')} as "dayCoreHours",
    (select count(*) from results where state = 'unsent') as unsent,
    (select count(*) from results where state = 'in_progress') as "inProgress",
    h.hosts, h.cores
  from spent_totals t
  cross join lateral (select ${SUMS} from results where outcome = 'success' and reported_at > t.until) s
  cross join (select ${SUMS} from results where outcome = 'success' and reported_at > :dayAgo) d
  cross join (select count(*) as hosts, coalesce(sum(cores), 0) as cores from hosts
    where last_seen_at > :hourAgo and state = 'active') h`

const LOCK = `select from spent_totals for update`

const ADVANCE = `
  update spent_totals t set until = :to, results = t.results + s.results, fuel = t.fuel + s.fuel, cpu_ms = t.cpu_ms + s.cpu_ms
  from (select ${SUMS} from results where outcome = 'success' and reported_at <= :to
      and reported_at > (select until from spent_totals)) s
  where t.until < :to`
