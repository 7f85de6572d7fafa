import { z } from 'zod'
import { Recipe, Rung } from '#protocol/job.ts'
import { Proposer } from '#protocol/space.ts'
import { type CampaignId, ExperimentId, type Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectOne, toDb } from './rows.ts'

const TrialRow = z.object({
  id: ExperimentId,
  recipe: Recipe,
  asked: z.int(),
  revision: z.int(),
  isOutside: z.boolean(),
  proposer: Proposer.nullable(),
  promotions: z.int(),
})
export type TrialRow = z.infer<typeof TrialRow>

/**
 * The experiments of a campaign in order, from ordinal `from` on, each with how many reports the history had when it was proposed,
 * under which revision, and who proposed it.
 */
export const readTrials = (on: Executor, campaignId: CampaignId, from = 0): Promise<TrialRow[]> =>
  select(on, TrialRow, TRIALS, { campaignId, from })

const Outcome = z.union([
  z.object({ state: z.literal('finished'), value: z.number() }),
  z.object({ state: z.literal('partial'), rung: Rung, value: z.number() }),
  z.object({ state: z.enum(['failed', 'diverged']), rung: Rung.optional() }),
])

const ReportRow = z.object({ ordinal: z.int(), outcome: Outcome })
export type ReportRow = z.infer<typeof ReportRow>

/** What the sampler of a campaign was told, in order, from position `from` on. */
export const readReports = (on: Executor, campaignId: CampaignId, from = 0): Promise<ReportRow[]> =>
  select(on, ReportRow, REPORTS, { campaignId, from })

/** Adds to what the sampler of a locked campaign was told; `from` is how much that was before. */
export async function appendReports(
  trx: Trx,
  campaignId: CampaignId,
  { from, reports, now }: { from: number; reports: readonly ReportRow[]; now: Instant },
): Promise<void> {
  if (reports.length === 0) return
  const rows = reports.map((report, i) => ({ position: from + i, ...report }))
  await execute(trx, APPEND, { campaignId, rows: recordset(rows), now: toDb(now) })
}

const ClimbRow = z.object({ ordinal: z.int(), rung: Rung, asked: z.int() })
export type ClimbRow = z.infer<typeof ClimbRow>

/** Which experiments of a campaign went on to a further rung, in the order in which it was decided. */
export const readClimbs = (on: Executor, campaignId: CampaignId): Promise<ClimbRow[]> =>
  select(on, ClimbRow, CLIMBS, { campaignId })

/** Writes down that experiments of a locked campaign go on. */
export async function insertClimbs(
  trx: Trx,
  campaignId: CampaignId,
  climbs: readonly ClimbRow[],
): Promise<void> {
  if (climbs.length > 0) await execute(trx, CLIMB, { campaignId, rows: recordset(climbs) })
}

const KnownRow = z.object({ id: ExperimentId, recipeSha256: Sha256 })

/** The experiments of a campaign by the hash of their canonical recipe. */
export const findExperiments = async (
  on: Executor,
  campaignId: CampaignId,
): Promise<Map<Sha256, ExperimentId>> =>
  new Map((await select(on, KnownRow, KNOWN, { campaignId })).map(row => [row.recipeSha256, row.id]))

/** How much the sampler of a campaign was told so far. */
export const countReports = async (on: Executor, campaignId: CampaignId): Promise<number> =>
  (await selectOne(on, z.object({ n: z.int() }), COUNT_REPORTS, { campaignId })).n

const UnitlessRow = z.object({ id: ExperimentId, ordinal: z.int(), recipe: Recipe })

/** Experiments of a locked campaign that have no work units yet, in order. */
export const listUnitless = (trx: Trx, campaignId: CampaignId): Promise<z.infer<typeof UnitlessRow>[]> =>
  select(trx, UnitlessRow, UNITLESS, { campaignId })

const RunsRow = z.object({
  ordinal: z.int(),
  rung: Rung,
  units: z.int(),
  over: z.int(),
  statuses: z.array(z.string()),
  metrics: z.array(z.number()),
})

// Transactions publish under the time at which they began, and commit in another order; none takes so long.
const PUBLISHED_LATE_MS = 10 * 60_000

/**
 * What is public of the runs of a campaign's experiments, by rung: of those of which something was published since the last
 * report, or not long before it.
 */
export const readRunsSinceReport = (
  on: Executor,
  campaignId: CampaignId,
): Promise<z.infer<typeof RunsRow>[]> => select(on, RunsRow, RUNS, { campaignId, lateMs: PUBLISHED_LATE_MS })

const TRIALS = `
  select id, recipe, asked, revision, proposer_id is not null as "isOutside", proposer, promotions from experiments
  where campaign_id = :campaignId and ordinal >= :from and not baseline order by ordinal`

const KNOWN = `
  select id, recipe_sha256 as "recipeSha256" from experiments where campaign_id = :campaignId and not baseline`

const COUNT_REPORTS = `select count(*) as n from search_reports where campaign_id = :campaignId`

// Only what was proposed from outside waits for its units.
const UNITLESS = `
  select e.id, e.ordinal, e.recipe from experiments e where e.campaign_id = :campaignId and e.proposer_id is not null
    and not exists (select from work_units w where w.experiment_id = e.id) order by e.ordinal`

const REPORTS = `
  select ordinal, outcome from search_reports where campaign_id = :campaignId and position >= :from
  order by position`

const APPEND = `
  insert into search_reports (campaign_id, position, ordinal, outcome, at)
  select :campaignId, position, ordinal, outcome, :now
  from json_to_recordset(cast(:rows as json)) as x(position int, ordinal int, outcome jsonb)`

const CLIMBS = `
  select ordinal, rung, asked from search_climbs where campaign_id = :campaignId order by asked, ordinal, rung`

const CLIMB = `
  insert into search_climbs (campaign_id, ordinal, rung, asked)
  select :campaignId, ordinal, rung, asked
  from json_to_recordset(cast(:rows as json)) as x(ordinal int, rung smallint, asked int)`

// Whatever changes an outcome publishes a unit: also one that failed, or was open again. The lateral join counts for those that
// were heard of only; left to itself the planner, which cannot know how few they are, counts for all (30 ms of 10,000).
const RUNS = `
  with since as (
    select coalesce((
      select at - :lateMs * interval '1 millisecond' from search_reports where campaign_id = :campaignId
      order by position desc limit 1), '-infinity') as at),
  heard as (
    select experiment_id from corpus, since where campaign_id = :campaignId and published_at >= since.at
    union
    select experiment_id from work_units, since where campaign_id = :campaignId and lost_at >= since.at)
  select e.ordinal, runs.*
  from heard join experiments e on e.id = heard.experiment_id join campaigns p on p.id = e.campaign_id
  cross join lateral (
    select w.rung, count(*) as units,
      count(*) filter (where w.state <> 'open' and w.published_at is not null) as over,
      coalesce(jsonb_agg(c.status) filter (where c.status is not null), '[]') as statuses,
      coalesce(jsonb_agg(c.metric_value) filter (where c.metric_value is not null), '[]') as metrics
    from work_units w left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
    where w.experiment_id = e.id
      and w.seed_index < coalesce(cast(p.file->'replicate'->>'seeds' as integer), 1) -- further seeds are for tests
    group by w.rung) as runs
  where not e.baseline`
