import { z } from 'zod'
import { CampaignId, HostId, type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectOne, Timestamp, toDb } from './rows.ts'

const DeliveredRow = z.object({
  resultId: ResultId,
  sha256: Sha256,
  job: z.string(),
  kernelSha256: Sha256,
  datasetSha256: Sha256,
})

/** Weights that were asked for and came, and of which nothing is decided yet. */
export const listDelivered = (on: Executor, limit: number): Promise<z.infer<typeof DeliveredRow>[]> =>
  select(on, DeliveredRow, DELIVERED, { limit })

export interface NewEvaluation {
  readonly id: ResultId
  readonly resultId: ResultId
  readonly sha256: Sha256
  readonly job: string
  readonly runKey: Sha256
  readonly isDecoy: boolean // asked for so that nobody knows what is looked at
  /** The hidden text that stands for val; null: val itself. */
  readonly hiddenSha256: Sha256 | null
}

export const insertEvaluations = (
  on: Executor,
  evaluations: readonly NewEvaluation[],
  now: Instant,
): Promise<number> => execute(on, INSERT, { rows: recordset(evaluations), now: toDb(now) })

const LeaseRow = z.object({
  id: ResultId,
  hostId: HostId,
  workUnitId: WorkUnitId,
  campaignId: CampaignId,
  title: z.string(),
  job: z.string(),
  runKey: Sha256,
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  sha256: Sha256,
  bytes: z.int(),
  fuelMax: z.int(),
  deadline: Timestamp,
  hidden: z.object({ sha256: Sha256, bytes: z.int() }).nullable(),
})
export type EvaluationLease = z.infer<typeof LeaseRow>

/** Gives a verifier up to `limit` evaluations that nobody computes; those whose deadline has passed are given again. */
export const leaseEvaluations = (
  trx: Trx,
  { hostId, limit, now, deadline }: { hostId: HostId; limit: number; now: Instant; deadline: Instant },
): Promise<EvaluationLease[]> =>
  select(trx, LeaseRow, LEASE, { hostId, limit, now: toDb(now), deadline: toDb(deadline) })

/** What this verifier is computing. */
export const heldEvaluations = (trx: Trx, hostId: HostId): Promise<EvaluationLease[]> =>
  select(trx, LeaseRow, HELD, { hostId })

const ClaimRow = z.object({
  id: ResultId,
  hostId: HostId,
  claimed: z.number(),
  onHidden: z.boolean(),
  isOver: z.boolean(),
})

/** Evaluations among these ids that somebody computes or computed, locked, with the metric that was claimed. */
export const lockEvaluations = (trx: Trx, ids: readonly string[]): Promise<z.infer<typeof ClaimRow>[]> =>
  select(trx, ClaimRow, CLAIMED, { ids })

/** How an evaluation ended; `metric` is what was reached on a hidden text, of those that are `scored`. */
export const endEvaluation = (
  trx: Trx,
  ended: {
    id: ResultId
    outcome: 'equal' | 'different' | 'failed' | 'scored'
    metric: number | null
    now: Instant
  },
): Promise<number> => execute(trx, END, { ...ended, now: toDb(ended.now) })

const LiarRow = z.object({ hostId: HostId, resultId: ResultId })

/** Hosts whose weights do not give their metric, and whom nobody excluded for it yet; marks them as acted upon. */
export const takeLiars = (trx: Trx, now: Instant): Promise<z.infer<typeof LiarRow>[]> =>
  select(trx, LiarRow, TAKE_LIARS, { now: toDb(now) })

/** Whether the bearer of this host token computes an evaluation of that file now. */
export const mayEvaluate = async (on: Executor, tokenHash: Sha256, sha256: Sha256): Promise<boolean> =>
  (await selectOne(on, z.object({ may: z.boolean() }), MAY, { tokenHash, sha256 })).may

const DELIVERED = `
  select f.result_id as "resultId", f.sha256, w.job, w.kernel_sha256 as "kernelSha256",
    c.dataset_sha256 as "datasetSha256"
  from file_requests f join results r on r.id = f.result_id join work_units w on w.id = r.work_unit_id
  join campaigns c on c.id = w.campaign_id
  where f.received_at is not null and r.metric is not null and r.weights is null
    and not exists (select from evaluations e where e.result_id = f.result_id)
  order by f.received_at, f.result_id limit :limit`

const INSERT = `
  insert into evaluations (id, result_id, sha256, job, run_key, hidden_sha256, created_at, ended_at, outcome)
  select id, "resultId", sha256, job, "runKey", "hiddenSha256", :now, case when "isDecoy" then cast(:now as timestamptz) end,
    case when "isDecoy" then 'decoy' end
  from json_to_recordset(cast(:rows as json)) as x(id text, "resultId" text, sha256 text, job text, "runKey" text,
    "isDecoy" boolean, "hiddenSha256" text)
  on conflict do nothing`

const COLUMNS = `
  select e.id, e.host_id as "hostId", w.id as "workUnitId", c.id as "campaignId", c.title, e.job,
    e.run_key as "runKey", w.kernel_sha256 as "kernelSha256", c.dataset_sha256 as "datasetSha256", e.sha256, f.bytes,
    case when w.engine_class = 'wasm' then w.fuel_max else cast(k.manifest->'bounds'->>'fuelMax' as bigint) end as "fuelMax",
    e.deadline,
    case when h.sha256 is not null then jsonb_build_object('sha256', h.sha256, 'bytes', h.bytes) end as hidden`
const JOINS = `
  join files f on f.sha256 = e.sha256 left join files h on h.sha256 = e.hidden_sha256 join results r on r.id = e.result_id
  join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  join kernels k on k.module_sha256 = w.kernel_sha256`

const LEASE = `
  with e as (
    update evaluations set host_id = :hostId, deadline = :deadline
    where id in (select id from evaluations where outcome is null and (deadline is null or deadline < :now)
      order by created_at, id limit :limit for update skip locked)
    returning *)
  ${COLUMNS} from e ${JOINS}`

const HELD = `${COLUMNS} from evaluations e ${JOINS} where e.host_id = :hostId and e.outcome is null order by e.id`

const CLAIMED = `
  select e.id, e.host_id as "hostId", r.metric as claimed, e.hidden_sha256 is not null as "onHidden",
    e.outcome is not null as "isOver"
  from evaluations e join results r on r.id = e.result_id
  where e.id = any(:ids) and e.host_id is not null
  order by e.id for update of e`

const END = `update evaluations set outcome = :outcome, metric = :metric, ended_at = :now where id = :id and outcome is null`

const TAKE_LIARS = `
  with liars as (
    update evaluations set acted_at = :now where outcome = 'different' and acted_at is null returning result_id)
  select r.host_id as "hostId", r.id as "resultId" from liars l join results r on r.id = l.result_id order by r.id`

const MAY = `
  select exists (select from evaluations e join hosts h on h.id = e.host_id
    where (e.sha256 = :sha256 or e.hidden_sha256 = :sha256) and e.outcome is null and h.token_hash = :tokenHash and h.trusted) as may`
