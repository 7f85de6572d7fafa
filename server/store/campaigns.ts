import { z } from 'zod'
import { CampaignFile, CampaignState, EndedBy } from '#protocol/campaign.ts'
import { CampaignId, type Instant, Sha256, UserId } from '#protocol/units.ts'
import { violatedConstraint } from './errors.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const CampaignRow = z.object({
  id: CampaignId,
  ownerId: UserId,
  state: CampaignState,
  title: z.string(),
  file: CampaignFile,
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  experimentsPlanned: z.int(),
  experimentsCreated: z.int(),
  reservedMilli: z.int(),
  createdAt: Timestamp,
  endedAt: Timestamp.nullable(),
  endedBy: EndedBy.nullable(),
  endedReason: z.string().nullable(),
  revision: z.int(),
  respaced: z.boolean(),
})
export type CampaignRow = z.infer<typeof CampaignRow>

const SELECT = `
  select id, owner_id as "ownerId", case when paused_at is null then cast(state as text) else 'paused' end as state, title, file, kernel_sha256 as "kernelSha256",
    dataset_sha256 as "datasetSha256", experiments_planned as "experimentsPlanned",
    experiments_created as "experimentsCreated", reserved_milli as "reservedMilli",
    created_at as "createdAt", ended_at as "endedAt", ended_by as "endedBy", ended_reason as "endedReason",
    revision, respaced
  from campaigns`

export const findCampaign = (on: Executor, id: CampaignId): Promise<CampaignRow | undefined> =>
  selectFirst(on, CampaignRow, `${SELECT} where id = :id`, { id })

/** A campaign, locked until the end of the transaction. */
export const lockCampaign = (trx: Executor, id: CampaignId): Promise<CampaignRow | undefined> =>
  selectFirst(trx, CampaignRow, `${SELECT} where id = :id for no key update`, { id })

const RUNNING_WITH = `
  select count(*) as n from campaigns where kernel_sha256 = :moduleSha256 and state = 'running'`

/** How many campaigns run with a kernel. */
export const countRunningWith = async (on: Executor, moduleSha256: Sha256): Promise<number> =>
  (await selectOne(on, z.object({ n: z.int() }), RUNNING_WITH, { moduleSha256 })).n

const LIST = `
  ${SELECT} where id < :before and file->>'visibility' is distinct from 'unlisted' order by id desc limit :limit`
const AFTER_EVERY_ID = 'd'

/** Listed campaigns from the newest on, or those older than `before`. */
export const listCampaigns = (
  on: Executor,
  page: { before: CampaignId | undefined; limit: number },
): Promise<CampaignRow[]> =>
  select(on, CampaignRow, LIST, { before: page.before ?? AFTER_EVERY_ID, limit: page.limit })

const OwnRow = z.object({ id: CampaignId, title: z.string(), state: z.string(), createdAt: Timestamp })

/** The campaigns of an account, oldest first. */
export const campaignsOf = (on: Executor, ownerId: UserId): Promise<z.infer<typeof OwnRow>[]> =>
  select(on, OwnRow, OF_OWNER, { ownerId })

const OF_OWNER = `
  select id, title, cast(state as text) as state, created_at as "createdAt" from campaigns
  where owner_id = :ownerId order by id`

export interface NewCampaign {
  readonly id: CampaignId
  readonly ownerId: UserId
  readonly file: CampaignFile
  readonly kernelSha256: Sha256
  readonly datasetSha256: Sha256
  readonly experimentsPlanned: number
  readonly priceMilliPerGfuel: number
  readonly reservedMilli: number
  readonly idempotencyKey: string | null
  readonly bodySha256: Sha256
  readonly now: Instant
}

const INSERT = `
  with submitted as (
    insert into campaign_revisions (campaign_id, revision, at, author, reason, file)
    values (:id, 1, :now, 'owner', 'as submitted', :file))
  insert into campaigns (id, owner_id, title, file, kernel_sha256, dataset_sha256, experiments_planned,
    price_milli_per_gfuel, reserved_milli, idempotency_key, body_sha256, created_at)
  values (:id, :ownerId, :title, :file, :kernelSha256, :datasetSha256, :experimentsPlanned,
    :priceMilliPerGfuel, :reservedMilli, :idempotencyKey, :bodySha256, :now)`

/** Adds a running campaign; `key_taken` when the owner used the idempotency key before, and then `on` must roll back. */
export async function insertCampaign(
  on: Executor,
  { file, now, ...campaign }: NewCampaign,
): Promise<'created' | 'key_taken'> {
  try {
    const bindings = { ...campaign, title: file.title, file: JSON.stringify(file), now: toDb(now) }
    await execute(on, INSERT, bindings)
    return 'created'
  } catch (error) {
    if (violatedConstraint(error) === 'campaigns_owner_id_idempotency_key_key') return 'key_taken'
    throw error
  }
}
