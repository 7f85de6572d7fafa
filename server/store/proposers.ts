import { z } from 'zod'
import { Recipe } from '#protocol/job.ts'
import { type CampaignId, ExperimentId, type Instant, Sha256, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, type Executor, execute, recordset, select, toDb } from './rows.ts'

const PromotionRow = z.object({ ordinal: z.int(), stands: z.boolean() })
export type PromotionRow = z.infer<typeof PromotionRow>

/** The promotions that the choice among the proposers of a campaign was told of, in order. */
export const readPromotions = (on: Executor, campaignId: CampaignId): Promise<PromotionRow[]> =>
  select(on, PromotionRow, PROMOTIONS, { campaignId })

/** Tells a locked campaign of promotions; `from` is how many it was told of before. */
export async function appendPromotions(
  trx: Trx,
  campaignId: CampaignId,
  { from, promotions, now }: { from: number; promotions: readonly PromotionRow[]; now: Instant },
): Promise<void> {
  const rows = promotions.map((promotion, i) => ({ position: from + i, ...promotion }))
  await execute(trx, APPEND, { campaignId, rows: recordset(rows), now: toDb(now) })
}

/** The ordinals of the experiments that stand as promoted by the sequential tests of a campaign. */
export const listPromoted = async (on: Executor, campaignId: CampaignId): Promise<number[]> =>
  (await select(on, z.object({ ordinal: z.int() }), PROMOTED, { campaignId })).map(({ ordinal }) => ordinal)

const WaitingRow = z.object({ id: ExperimentId, recipe: Recipe, recipeSha256: Sha256, proposerId: UserId })
export type WaitingRow = z.infer<typeof WaitingRow>

/** What waits from outside for its turn, the first one first; what a sampler proposed meanwhile waits no more. */
export const listWaiting = (on: Executor, campaignId: CampaignId): Promise<WaitingRow[]> =>
  select(on, WaitingRow, WAITING, { campaignId })

/** Has recipes wait in a locked campaign. */
export const insertWaiting = (
  trx: Trx,
  campaignId: CampaignId,
  { rows, now }: { rows: readonly WaitingRow[]; now: Instant },
): Promise<number> => execute(trx, INSERT_WAITING, { campaignId, rows: recordset(rows), now: toDb(now) })

/** Those whose turn has come wait no more. */
export const removeWaiting = (trx: Trx, rows: readonly Pick<WaitingRow, 'id'>[]): Promise<number> =>
  execute(trx, REMOVE_WAITING, { ids: column(rows, ({ id }) => id) })

const PROMOTIONS = `
  select ordinal, stands from search_promotions where campaign_id = :campaignId order by position`

const APPEND = `
  insert into search_promotions (campaign_id, position, ordinal, stands, at)
  select :campaignId, position, ordinal, stands, :now
  from json_to_recordset(cast(:rows as json)) as x(position int, ordinal int, stands boolean)`

const PROMOTED = `
  select distinct e.ordinal from campaign_tests t join experiments e on e.id = t.challenger_id
  where t.campaign_id = :campaignId and t.state = 'promoted' and not e.baseline order by e.ordinal`

const WAITING = `
  select w.id, w.recipe, w.recipe_sha256 as "recipeSha256", w.proposer_id as "proposerId" from waiting_proposals w
  where w.campaign_id = :campaignId and not exists (select from experiments e
    where e.campaign_id = w.campaign_id and e.recipe_sha256 = w.recipe_sha256 and not e.baseline)
  order by w.number`

const INSERT_WAITING = `
  insert into waiting_proposals (id, campaign_id, recipe, recipe_sha256, proposer_id, at)
  select id, :campaignId, recipe, "recipeSha256", "proposerId", :now
  from json_to_recordset(cast(:rows as json)) as x(id text, recipe jsonb, "recipeSha256" text, "proposerId" text)`

const REMOVE_WAITING = `delete from waiting_proposals where id = any(:ids)`
