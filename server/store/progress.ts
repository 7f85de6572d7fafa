import { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import type { Recipe } from '#protocol/job.ts'
import { CampaignId, type ExperimentId, type Instant, Sha256, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, recordset, select, selectFirst, selectOne, toDb } from './rows.ts'

const ProgressRow = z.object({
  id: CampaignId,
  ownerId: UserId,
  state: z.enum(['running', 'finished', 'cancelled']),
  file: CampaignFile,
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  experimentsPlanned: z.int(),
  experimentsCreated: z.int(),
})
/** What the proposer needs of a campaign that is not settled yet. */
export type ProgressRow = z.infer<typeof ProgressRow>

/** Locks a campaign; undefined when it is settled, that is when nothing can happen to it any more. */
export const lockUnsettled = (trx: Trx, id: CampaignId): Promise<ProgressRow | undefined> =>
  selectFirst(trx, ProgressRow, LOCK, { id })

/** Campaigns that are not settled, oldest first. */
export async function listUnsettled(trx: Trx, limit: number): Promise<CampaignId[]> {
  return (await select(trx, z.object({ id: CampaignId }), LIST, { limit })).map(row => row.id)
}

const Counts = z.object({ unsent: z.int(), activeHosts: z.int() })

/** Unsent results of the campaign, and hosts that called since `since`. */
export const countWork = (trx: Trx, id: CampaignId, since: Instant): Promise<z.infer<typeof Counts>> =>
  selectOne(trx, Counts, COUNT_WORK, { id, since: toDb(since) })

const Remaining = z.object({ isOpen: z.boolean(), isUnpublished: z.boolean() })

/** Whether any work unit of the campaign is still open, and whether any is not published yet. */
export const remainingOf = (trx: Trx, id: CampaignId): Promise<z.infer<typeof Remaining>> =>
  selectOne(trx, Remaining, REMAINING, { id })

export interface NewExperiment {
  readonly id: ExperimentId
  readonly ordinal: number
  readonly recipe: Recipe
  readonly recipeSha256: Sha256
}

/** Adds the next experiments of a locked campaign. */
export async function insertExperiments(
  trx: Trx,
  campaignId: CampaignId,
  experiments: readonly NewExperiment[],
  now: Instant,
): Promise<void> {
  await execute(trx, INSERT, { campaignId, rows: recordset(experiments), now: toDb(now) })
  await execute(trx, COUNT_CREATED, { campaignId, count: experiments.length })
}

/** Marks a locked campaign as settled, and as finished if it was running. */
export const settleCampaign = (trx: Trx, id: CampaignId, now: Instant): Promise<number> =>
  execute(trx, SETTLE, { id, now: toDb(now) })

const LOCK = `
  select id, owner_id as "ownerId", state, file, kernel_sha256 as "kernelSha256",
    dataset_sha256 as "datasetSha256", experiments_planned as "experimentsPlanned",
    experiments_created as "experimentsCreated"
  from campaigns where id = :id and settled_at is null for no key update`

const LIST = `select id from campaigns where settled_at is null order by id limit :limit`

const COUNT_WORK = `
  select
    (select count(*) from results r join work_units w on w.id = r.work_unit_id
      where w.campaign_id = :id and w.state = 'open' and r.state = 'unsent') as unsent,
    (select count(*) from hosts where state = 'active' and last_seen_at > :since) as "activeHosts"`

const REMAINING = `
  select exists (select from work_units where campaign_id = :id and state = 'open') as "isOpen",
    exists (select from work_units where campaign_id = :id and published_at is null) as "isUnpublished"`

const INSERT = `
  insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, created_at)
  select id, :campaignId, ordinal, recipe, "recipeSha256", :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as x(id text, ordinal int, recipe jsonb, "recipeSha256" text)`

const COUNT_CREATED = `
  update campaigns set experiments_created = experiments_created + :count where id = :campaignId`

const SETTLE = `
  update campaigns set settled_at = :now, ended_at = coalesce(ended_at, :now),
    state = case when state = 'running' then 'finished' else state end::campaign_state
  where id = :id and settled_at is null`
