import { z } from 'zod'
import type { Observation } from '#domain/residual.ts'
import { EngineClass } from '#protocol/engine.ts'
import { SelfTestState } from '#protocol/people.ts'
import { CampaignId, HostId, type Instant } from '#protocol/units.ts'
import { HostState } from './hosts.ts'
import { type Executor, select, toDb } from './rows.ts'

const ObservationRow = z.object({
  hostId: HostId,
  campaignId: CampaignId,
  engineClass: EngineClass,
  goal: z.enum(['minimize', 'maximize']),
  outcome: z.enum(['success', 'error', 'no_reply']),
  metric: z.number().nullable(),
  fuelUsed: z.int().nullable(),
  cpuMs: z.int().nullable(),
})

/** What volunteers' hosts reported since then, the newest `limit`; what was only given back is no failure. */
export const readObservations = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<Observation[]> => select(on, ObservationRow, OBSERVE, { since: toDb(since), limit })

const HostRow = z.object({
  hostId: HostId,
  name: z.string(),
  state: HostState,
  recentChecks: z.string(),
  selfTest: SelfTestState,
  ownerExclusions: z.int(),
})
export type RecordRow = z.infer<typeof HostRow>

export const readRecords = (on: Executor, hostIds: readonly string[]): Promise<RecordRow[]> =>
  select(on, HostRow, RECORDS, { hostIds })

const OBSERVE = `
  select r.host_id as "hostId", w.campaign_id as "campaignId", w.engine_class as "engineClass",
    c.file->'metric'->>'goal' as goal, r.outcome, r.metric, r.fuel_used as "fuelUsed", r.cpu_ms as "cpuMs"
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  where r.reported_at > :since and not r.trusted and r.host_id is not null
    and r.outcome in ('success', 'error', 'no_reply') and r.error_code is distinct from 'host_stopped'
  order by r.reported_at desc limit :limit`

const RECORDS = `
  select h.id as "hostId", h.name, h.state, h.recent_checks as "recentChecks", h.self_test as "selfTest",
    (select count(*) from exclusions x where x.owner_key = h.owner_key and x.lifted_at is null) as "ownerExclusions"
  from hosts h where h.id = any(:hostIds)`
