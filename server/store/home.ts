import { z } from 'zod'
import { Recipe } from '#protocol/job.ts'
import { CampaignId, ExperimentId, type Instant } from '#protocol/units.ts'
import { type Executor, select, selectOne, Timestamp, toDb } from './rows.ts'
import { IS_LISTED } from './stream.ts'

const IdRow = z.object({ id: CampaignId })

/** Listed campaigns: those that run first, then by when something of them became public last, as far back as `since`. */
export const liveliestCampaigns = async (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<CampaignId[]> =>
  (await select(on, IdRow, LIVELIEST, { since: toDb(since), limit })).map(row => row.id)

/** How many listed campaigns run. */
export const countRunning = async (on: Executor): Promise<number> =>
  (await selectOne(on, z.object({ n: z.int() }), COUNT_RUNNING)).n

/** Since when each of these campaigns has the best that it has. */
export async function bestSince(
  on: Executor,
  ids: readonly CampaignId[],
): Promise<ReadonlyMap<CampaignId, Instant>> {
  const rows = await select(on, IdRow.extend({ at: Timestamp }), BEST_SINCE, { ids })
  return new Map(rows.map(({ id, at }) => [id, at]))
}

const DecidedRow = z.object({
  campaignId: CampaignId,
  title: z.string(),
  metric: z.string(),
  state: z.enum(['promoted', 'rejected']),
  incumbent: ExperimentId,
  challenger: ExperimentId,
  incumbentRecipe: Recipe,
  challengerRecipe: Recipe,
  gains: z.array(z.number()),
  decidedAt: Timestamp,
})

/** Tests of listed campaigns of whose verdict their followers were told, the newest first. */
export const listDecided = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<z.infer<typeof DecidedRow>[]> => select(on, DecidedRow, DECIDED, { since: toDb(since), limit })

/** Listed campaigns that finished, the newest first. */
export const listFinished = async (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<CampaignId[]> =>
  (await select(on, IdRow, FINISHED, { since: toDb(since), limit })).map(row => row.id)

const RUNS = `c.state = 'running' and c.paused_at is null`

const LIVELIEST = `
  select c.id from campaigns c
  left join (select campaign_id, max(at) as at from ticks where at > :since group by 1) as t on t.campaign_id = c.id
  where ${IS_LISTED} order by (${RUNS}) desc, t.at desc nulls last, c.id desc limit :limit`

const COUNT_RUNNING = `select count(*) as n from campaigns c where ${RUNS} and ${IS_LISTED}`

const BEST_SINCE = `
  select campaign_id as id, max(at) as at from campaign_events
  where event = 'best' and campaign_id = any(:ids) group by 1`

const DECIDED = `
  select t.campaign_id as "campaignId", c.title, c.file->'metric'->>'name' as metric, t.state,
    t.incumbent_id as incumbent, t.challenger_id as challenger, i.recipe as "incumbentRecipe",
    h.recipe as "challengerRecipe", t.gains, t.decided_at as "decidedAt"
  from campaign_tests t join campaigns c on c.id = t.campaign_id
  join experiments i on i.id = t.incumbent_id join experiments h on h.id = t.challenger_id
  where t.decided_at > :since and t.state in ('promoted', 'rejected') and t.told = t.state and ${IS_LISTED}
  order by t.decided_at desc, t.campaign_id, t.number limit :limit`

const FINISHED = `
  select c.id from campaigns c
  where c.state = 'finished' and c.ended_at > :since and ${IS_LISTED} order by c.ended_at desc, c.id limit :limit`
