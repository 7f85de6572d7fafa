import { z } from 'zod'
import type { EndedBy } from '#protocol/campaign.ts'
import { Recipe } from '#protocol/job.ts'
import { TestState } from '#protocol/tests.ts'
import { type CampaignId, ExperimentId, type Instant, type Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { provisional } from './provisional.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const RunRow = z.object({
  experimentId: ExperimentId,
  recipeKey: z.string(),
  baseline: z.boolean(),
  seedIndex: z.int(),
  state: z.enum(['pending', 'ok', 'diverged', 'failed']),
  value: z.number().nullable(),
})
export type RunRow = z.infer<typeof RunRow>

interface Which {
  /** Of these experiments only. */
  readonly among?: readonly ExperimentId[]
  /** On seeds from this index on, and those of the unchanged recipe. */
  readonly fromSeed?: number
}

/** Every whole run of a campaign, by experiment and seed; what is not published, or only provisionally, is pending. */
export const readRuns = (
  on: Executor,
  campaignId: CampaignId,
  { among, fromSeed = 0 }: Which = {},
): Promise<RunRow[]> => select(on, RunRow, RUNS, { campaignId, fromSeed, among: among ?? null })

const TestRow = z.object({
  number: z.int(),
  incumbent: ExperimentId,
  challenger: ExperimentId,
  firstSeed: z.int(),
  pairsAsked: z.int(),
  deviation: z.number(),
  state: TestState,
  gains: z.array(z.number()),
  llr: z.number(),
  lower: z.number(),
  upper: z.number(),
  startedAt: Timestamp,
  decidedAt: Timestamp.nullable(),
})
export type TestRow = z.infer<typeof TestRow>

/** The sequential tests of a campaign, by number. */
export const readTests = (on: Executor, campaignId: CampaignId): Promise<TestRow[]> =>
  select(on, TestRow, TESTS, { campaignId })

type NewTest = Omit<TestRow, 'state' | 'gains' | 'llr' | 'startedAt' | 'decidedAt'>

/** Begins a test of a locked campaign. */
export const insertTest = (trx: Trx, campaignId: CampaignId, test: NewTest, now: Instant): Promise<number> =>
  execute(trx, INSERT, { campaignId, ...test, now: toDb(now) })

type Standing = Pick<TestRow, 'number' | 'pairsAsked' | 'state' | 'gains' | 'llr'>

/** Says how a test of a locked campaign stands. */
export const updateTest = (
  trx: Trx,
  campaignId: CampaignId,
  standing: Standing,
  now: Instant,
): Promise<number> => execute(trx, UPDATE, { campaignId, ...standing, now: toDb(now) })

const UntoldRow = TestRow.extend({ goal: z.enum(['minimize', 'maximize']) })

/** Tests whose state is not what the followers of the campaign were told, locked, by number; with the goal of the campaign's metric. */
export const lockUntold = (trx: Trx, campaignId: CampaignId): Promise<z.infer<typeof UntoldRow>[]> =>
  select(trx, UntoldRow, LOCK_UNTOLD, { campaignId })

/** Says what the followers of the campaign were told of a locked test. */
export const setTold = (
  trx: Trx,
  campaignId: CampaignId,
  number: number,
  told: TestRow['state'],
): Promise<number> => execute(trx, SET_TOLD, { campaignId, number, told })

/** Adds the unchanged recipe of a locked campaign; it is not among those that were planned. */
export const insertBaseline = (
  trx: Trx,
  {
    recipe,
    now,
    ...row
  }: {
    id: ExperimentId
    campaignId: CampaignId
    ordinal: number
    recipe: Recipe
    recipeSha256: Sha256
    now: Instant
  },
): Promise<number> =>
  execute(trx, INSERT_BASELINE, { ...row, recipe: JSON.stringify(recipe), now: toDb(now) })

/** A campaign that has ended decides nothing more: what still runs stays open. */
export const closeTests = (trx: Trx, campaignId: CampaignId, now: Instant): Promise<number> =>
  execute(trx, CLOSE, { campaignId, now: toDb(now) })

const RecipeRow = z.object({
  id: ExperimentId,
  recipe: Recipe,
})

/** The recipes of these experiments. */
export async function readRecipes(
  on: Executor,
  ids: readonly ExperimentId[],
): Promise<ReadonlyMap<ExperimentId, Recipe>> {
  const rows = await select(on, RecipeRow, RECIPES, { ids })
  return new Map(rows.map(({ id, recipe }) => [id, recipe]))
}

/** Says why a locked campaign tries nothing more, if nothing has been said yet. */
export const endTrying = (trx: Trx, campaignId: CampaignId, endedBy: EndedBy): Promise<number> =>
  execute(trx, END, { campaignId, endedBy })

/** Whether a campaign has its unchanged recipe among its experiments. */
export const hasBaseline = async (on: Executor, campaignId: CampaignId): Promise<boolean> =>
  (await selectFirst(on, z.object({ id: ExperimentId }), BASELINE, { campaignId })) !== undefined

const BASELINE = `select id from experiments where campaign_id = :campaignId and baseline`

const RUNS = `
  select e.id as "experimentId", e.recipe_sha256 as "recipeKey", e.baseline, w.seed_index as "seedIndex",
    case when w.published_at is null or ${provisional('w.id')} then 'pending' when c.work_unit_id is null then 'failed'
      when c.metric_value is null then 'diverged' else 'ok' end as state,
    c.metric_value as value
  from work_units w join experiments e on e.id = w.experiment_id
  left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
  where w.campaign_id = :campaignId and w.rung = 3 and (w.seed_index >= :fromSeed or e.baseline)
    and (cast(:among as text[]) is null or w.experiment_id = any(:among))
  order by e.ordinal, w.seed_index`

const COLUMNS = `
  number, incumbent_id as incumbent, challenger_id as challenger, first_seed as "firstSeed",
  pairs_asked as "pairsAsked", deviation, t.state, gains, llr, lower_bound as lower, upper_bound as upper,
  started_at as "startedAt", decided_at as "decidedAt"`

const TESTS = `select ${COLUMNS} from campaign_tests t where campaign_id = :campaignId order by number`

const LOCK_UNTOLD = `
  select ${COLUMNS}, c.file->'metric'->>'goal' as goal from campaign_tests t join campaigns c on c.id = t.campaign_id
  where t.campaign_id = :campaignId and t.told <> t.state order by number for no key update of t`

const SET_TOLD = `update campaign_tests set told = :told where campaign_id = :campaignId and number = :number`

const INSERT = `
  insert into campaign_tests (campaign_id, number, incumbent_id, challenger_id, first_seed, pairs_asked, deviation,
    state, lower_bound, upper_bound, started_at)
  values (:campaignId, :number, :incumbent, :challenger, :firstSeed, :pairsAsked, :deviation,
    'running', :lower, :upper, :now)`

const UPDATE = `
  update campaign_tests set pairs_asked = :pairsAsked, state = :state, gains = cast(:gains as double precision[]), llr = :llr,
    decided_at = case when :state = 'running' then null else coalesce(decided_at, :now) end
  where campaign_id = :campaignId and number = :number`

const CLOSE = `
  update campaign_tests set state = 'undecided', told = 'undecided', decided_at = :now
  where campaign_id = :campaignId and state = 'running'`

const INSERT_BASELINE = `
  insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, baseline, created_at)
  values (:id, :campaignId, :ordinal, :recipe, :recipeSha256, true, :now)`

const RECIPES = `select id, recipe from experiments where id = any(:ids)`

const END = `update campaigns set ended_by = :endedBy where id = :campaignId and ended_by is null`
