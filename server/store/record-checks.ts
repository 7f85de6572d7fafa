import { z } from 'zod'
import { type CampaignId, ExperimentId, type Instant, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, select, selectOne, toDb } from './rows.ts'

const CandidateRow = z.object({
  id: WorkUnitId,
  experimentId: ExperimentId,
  metrics: z.array(z.number()),
  /** The verifier may take its check now. */
  isOffered: z.boolean(),
})

/** Open units of a campaign that only look like records, and that no verifier has begun to check; with what they claim. */
export const listRecordCandidates = (
  trx: Trx,
  campaignId: CampaignId,
): Promise<z.infer<typeof CandidateRow>[]> => select(trx, CandidateRow, RECORD_CANDIDATES, { campaignId })

const ClaimRow = z.object({ experimentId: ExperimentId, metrics: z.array(z.number()) })

/** What those of a campaign's units claim that look like records and that the verifier is checking, or has and nobody has judged yet. */
export const listRecordChecks = (trx: Trx, campaignId: CampaignId): Promise<z.infer<typeof ClaimRow>[]> =>
  select(trx, ClaimRow, RECORD_CHECKS, { campaignId })

/** Whether a trusted host seen since then called in vain the last time. */
export const isVerifierIdle = async (trx: Trx, since: Instant): Promise<boolean> =>
  (await selectOne(trx, z.object({ isIdle: z.boolean() }), VERIFIER_IDLE, { since: toDb(since) })).isIdle

/** Of these locked units the verifier may check those in `next`; the others are held back. */
export const holdChecks = (
  trx: Trx,
  ids: readonly WorkUnitId[],
  next: readonly WorkUnitId[],
): Promise<number> => execute(trx, HOLD, { ids, next })

/** Units of a campaign whose check is held back although the verifier is wanted for another reason by now, perhaps only for that. */
export const listHeldInVain = async (trx: Trx, campaignId: CampaignId): Promise<WorkUnitId[]> =>
  (await select(trx, IdRow, HELD_IN_VAIN, { campaignId })).map(row => row.id)

/** Of these locked units the verifier may take the check, unless they only look like records. */
export const offerChecks = async (trx: Trx, ids: readonly WorkUnitId[]): Promise<void> =>
  void (ids.length > 0 && (await execute(trx, OFFER, { ids })))

/** Of these locked units those that still only look like records need no verifier; gives which. */
export async function releaseChecks(trx: Trx, ids: readonly WorkUnitId[]): Promise<WorkUnitId[]> {
  return ids.length === 0 ? [] : (await select(trx, IdRow, RELEASE, { ids })).map(row => row.id)
}

const IdRow = z.object({ id: WorkUnitId })

const ONLY_LOOKS_LIKE_A_RECORD = `
  w.state = 'open' and w.demand = 'record' and not w.disputed and not exists (
    select from results c where c.work_unit_id = w.id and c.kind = 'check' and c.state <> 'unsent'
      and c.outcome is distinct from 'not_needed')`

const RECORD_CANDIDATES = `
  select w.id, w.experiment_id as "experimentId", array_agg(r.metric) as metrics, exists (
      select from results c where c.work_unit_id = w.id and c.kind = 'check' and c.state = 'unsent'
        and c.priority >= w.priority) as "isOffered"
  from work_units w join results r on r.work_unit_id = w.id
  where w.campaign_id = :campaignId and r.verdict = 'pending' and r.metric is not null
    and ${ONLY_LOOKS_LIKE_A_RECORD}
  group by w.id order by w.id`

const RECORD_CHECKS = `
  select w.experiment_id as "experimentId", array_agg(r.metric) as metrics
  from work_units w join results r on r.work_unit_id = w.id
  where w.campaign_id = :campaignId and w.state = 'open' and w.demand = 'record'
    and r.verdict = 'pending' and r.metric is not null and exists (
      select from results c where c.work_unit_id = w.id and c.kind = 'check'
        and (c.state = 'in_progress' or c.outcome = 'success'))
  group by w.id order by w.id`

const VERIFIER_IDLE = `
  select exists (select from hosts where trusted and state = 'active' and last_seen_at > :since and idle_since is not null)
    as "isIdle"`

// A check whose priority is below that of its unit is held back (store/dispatch.ts).
const HOLD = `
  update results r set priority = w.priority + case when w.id = any(:next) then 1 else -1 end
  from work_units w
  where w.id = any(:ids) and r.work_unit_id = w.id and r.kind = 'check' and r.state = 'unsent'
    and r.priority <> w.priority + case when w.id = any(:next) then 1 else -1 end
    and ${ONLY_LOOKS_LIKE_A_RECORD}`

// A check is held back while its unit only looks like a record. If it is disputed since, or was let go while a check by the verifier
// is drawn as well, nobody would ever offer the check again.
const HELD_IN_VAIN = `
  select distinct w.id from results r join work_units w on w.id = r.work_unit_id
  where r.state = 'unsent' and r.lane = 'verifier' and r.kind = 'check' and w.campaign_id = :campaignId
    and r.priority < w.priority and (${ONLY_LOOKS_LIKE_A_RECORD}) is not true
  order by w.id`

// One that was let go and has no other reason is about to be dropped: an idle verifier would take it before, and the unit wait for it.
const OFFER = `
  update results r set priority = w.priority from work_units w
  where w.id = any(:ids) and r.work_unit_id = w.id and r.kind = 'check' and r.state = 'unsent'
    and r.priority < w.priority and (${ONLY_LOOKS_LIKE_A_RECORD}) is not true
    and (w.wanted_check = 'verifier' or w.disputed or exists (
      select from results d where d.work_unit_id = w.id and d.draw = 'verifier' and d.verdict = 'pending'))`

const RELEASE = `
  update work_units w set wanted_check = 'none', demand = null
  where w.id = any(:ids) and ${ONLY_LOOKS_LIKE_A_RECORD} returning w.id`
