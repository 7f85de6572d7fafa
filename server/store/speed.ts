import { z } from 'zod'
import type { Sha256 } from '#protocol/units.ts'
import { type Executor, selectOne } from './rows.ts'

const Speed = z.object({
  /** Median; null when nothing was measured. */
  gfuelPerCoreSecond: z.number().nullable(),
  n: z.int(),
})

/** How fast hosts computed a kernel lately, by what they say of their CPU time: the median does not follow a few who lie. */
export const measuredSpeed = (on: Executor, kernelSha256: Sha256): Promise<z.infer<typeof Speed>> =>
  selectOne(on, Speed, SPEED, { kernelSha256 })

// Some hundred results of the newest campaigns, each found by an index: the whole table would take as long as it is large.
const SPEED = `
  select percentile_cont(0.5) within group (order by r.fuel_used / (r.cpu_ms * 1e6)) as "gfuelPerCoreSecond", count(*) as n
  from (select id from campaigns where kernel_sha256 = :kernelSha256 order by id desc limit 8) as c
  cross join lateral (select work_unit_id from corpus k where k.campaign_id = c.id limit 50) as w
  join results r on r.work_unit_id = w.work_unit_id
  where r.verdict = 'valid' and r.cpu_ms > 0 and r.fuel_used > 0`
