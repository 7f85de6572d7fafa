import { z } from 'zod'
import { InteractionState } from '#protocol/interaction.ts'
import { type CampaignId, ExperimentId, type Instant } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, toDb } from './rows.ts'

const InteractionRow = z.object({
  best: z.string(),
  by: z.string(),
  state: InteractionState,
  why: z.string().nullable(),
  cells: z.array(ExperimentId),
  seedsAsked: z.int(),
  deviation: z.number(),
  costs: z.array(z.number()),
  llr: z.number(),
  lower: z.number(),
  upper: z.number(),
})
export type InteractionRow = z.infer<typeof InteractionRow>

/** How the question whether the best of one parameter depends on another stands in a campaign; undefined before it is looked into. */
export const findInteraction = (
  on: Executor,
  campaignId: CampaignId,
  { best, by }: Pick<InteractionRow, 'best' | 'by'>,
): Promise<InteractionRow | undefined> => selectFirst(on, InteractionRow, FIND, { campaignId, best, by })

/** Says how a question of a locked campaign stands. */
export const putInteraction = (
  trx: Trx,
  campaignId: CampaignId,
  row: InteractionRow,
  now: Instant,
): Promise<number> => execute(trx, PUT, { campaignId, ...row, now: toDb(now) })

/** A campaign that has ended decides nothing more: what is not answered stays open. */
export const closeInteractions = (trx: Trx, campaignId: CampaignId, now: Instant): Promise<number> =>
  execute(trx, CLOSE, { campaignId, now: toDb(now) })

/** Counts experiments that the agent adds to a locked campaign beyond its plan. */
export const planFurther = (trx: Trx, campaignId: CampaignId, count: number): Promise<number> =>
  execute(trx, PLAN_FURTHER, { campaignId, count })

const TrialRow = z.object({ id: ExperimentId, recipeSha256: z.string() })

/** Experiments of a campaign with these canonical recipes, its unchanged recipe not among them. */
export const experimentsWith = (
  on: Executor,
  campaignId: CampaignId,
  recipeSha256s: readonly string[],
): Promise<z.infer<typeof TrialRow>[]> => select(on, TrialRow, WITH_RECIPE, { campaignId, recipeSha256s })

const FIND = `
  select best, by_parameter as by, state, why, cells, seeds_asked as "seedsAsked", deviation, costs, llr,
    lower_bound as lower, upper_bound as upper
  from campaign_interactions where campaign_id = :campaignId and best = :best and by_parameter = :by`

const PUT = `
  insert into campaign_interactions (campaign_id, best, by_parameter, state, why, cells, seeds_asked, deviation, costs, llr,
    lower_bound, upper_bound, started_at, decided_at)
  values (:campaignId, :best, :by, :state, :why, cast(:cells as text[]), :seedsAsked, :deviation,
    cast(:costs as double precision[]), :llr, :lower, :upper, :now, case when :state = 'running' then null else cast(:now as timestamptz) end)
  on conflict (campaign_id, best, by_parameter) do update set state = excluded.state, why = excluded.why, cells = excluded.cells,
    seeds_asked = excluded.seeds_asked, deviation = excluded.deviation, costs = excluded.costs, llr = excluded.llr,
    decided_at = case when excluded.state = 'running' then null
      else coalesce(campaign_interactions.decided_at, excluded.decided_at) end`

const CLOSE = `
  update campaign_interactions set state = 'undecided', decided_at = :now
  where campaign_id = :campaignId and state = 'running'`

const PLAN_FURTHER = `
  update campaigns set experiments_planned = experiments_planned + :count where id = :campaignId`

const WITH_RECIPE = `
  select id, recipe_sha256 as "recipeSha256" from experiments
  where campaign_id = :campaignId and recipe_sha256 = any(:recipeSha256s) and not baseline`
