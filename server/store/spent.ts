import { z } from 'zod'
import { addMs, type Instant } from '#protocol/units.ts'
import { type Executor, selectOne, toDb } from './rows.ts'

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

/** What all accepted results took, and what waits. Reads every result: callers keep the answer. */
export const readSpent = (on: Executor, now: Instant): Promise<z.infer<typeof SpentRow>> =>
  selectOne(on, SpentRow, SPENT, {
    hourAgo: toDb(addMs(now, -HOUR_MS)),
    dayAgo: toDb(addMs(now, -24 * HOUR_MS)),
  })

const gfuel = (where: string): string =>
  `cast(coalesce(sum(cast(fuel_used as double precision)) filter (where ${where}), 0) / 1e9 as double precision)`
const coreHours = (where: string): string =>
  `cast(coalesce(sum(cast(cpu_ms as double precision)) filter (where ${where}), 0) / 3.6e6 as double precision)`

const SPENT = `
  select r.*, h.hosts, h.cores
  from (select count(*) filter (where outcome = 'success') as results,
      ${gfuel(`outcome = 'success'`)} as gfuel, ${coreHours(`outcome = 'success'`)} as "coreHours",
      count(*) filter (where outcome = 'success' and reported_at > :dayAgo) as "dayResults",
      ${gfuel(`outcome = 'success' and reported_at > :dayAgo`)} as "dayGfuel",
      ${coreHours(`outcome = 'success' and reported_at > :dayAgo`)} as "dayCoreHours",
      count(*) filter (where state = 'unsent') as unsent, count(*) filter (where state = 'in_progress') as "inProgress"
    from results) as r
  cross join (select count(*) as hosts, coalesce(sum(cores), 0) as cores from hosts
    where last_seen_at > :hourAgo and state = 'active') as h`
