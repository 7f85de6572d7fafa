import { z } from 'zod'
import { Recipe } from '#protocol/job.ts'
import { type CampaignId, ExperimentId, type Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectOne, toDb } from './rows.ts'

const TrialRow = z.object({ id: ExperimentId, recipe: Recipe, asked: z.int(), isOutside: z.boolean() })

/**
 * The experiments of a campaign in order, each with how many reports the history had when it was proposed, and whether somebody
 * outside proposed it.
 */
export const readTrials = (on: Executor, campaignId: CampaignId): Promise<z.infer<typeof TrialRow>[]> =>
  select(on, TrialRow, TRIALS, { campaignId })

const Outcome = z.union([
  z.object({ state: z.literal('finished'), value: z.number() }),
  z.object({ state: z.enum(['failed', 'diverged']) }),
])

const ReportRow = z.object({ ordinal: z.int(), outcome: Outcome })
export type ReportRow = z.infer<typeof ReportRow>

/** What the sampler of a campaign was told, in order. */
export const readReports = (on: Executor, campaignId: CampaignId): Promise<ReportRow[]> =>
  select(on, ReportRow, REPORTS, { campaignId })

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

const UnitlessRow = z.object({ id: ExperimentId, recipe: Recipe })

/** Experiments of a locked campaign that have no work units yet, in order. */
export const listUnitless = (trx: Trx, campaignId: CampaignId): Promise<z.infer<typeof UnitlessRow>[]> =>
  select(trx, UnitlessRow, UNITLESS, { campaignId })

const RunsRow = z.object({
  ordinal: z.int(),
  units: z.int(),
  over: z.int(),
  statuses: z.array(z.string()),
  metrics: z.array(z.number()),
})

/**
 * What is public of the runs of a campaign's experiments: of those that were not reported yet, and of those of which something was
 * published or retracted since.
 */
export const readRunsSinceReport = (
  on: Executor,
  campaignId: CampaignId,
): Promise<z.infer<typeof RunsRow>[]> => select(on, RunsRow, RUNS, { campaignId })

const TRIALS = `
  select id, recipe, asked, proposer_id is not null as "isOutside" from experiments
  where campaign_id = :campaignId and not baseline order by ordinal`

const KNOWN = `
  select id, recipe_sha256 as "recipeSha256" from experiments where campaign_id = :campaignId and not baseline`

const COUNT_REPORTS = `select count(*) as n from search_reports where campaign_id = :campaignId`

// Only what was proposed from outside waits for its units.
const UNITLESS = `
  select e.id, e.recipe from experiments e where e.campaign_id = :campaignId and e.proposer_id is not null
    and not exists (select from work_units w where w.experiment_id = e.id) order by e.ordinal`

const REPORTS = `
  select ordinal, outcome from search_reports where campaign_id = :campaignId order by position`

const APPEND = `
  insert into search_reports (campaign_id, position, ordinal, outcome, at)
  select :campaignId, position, ordinal, outcome, :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as x(position int, ordinal int, outcome jsonb)`

// At the same instant something may have been published before and after the report: it is looked at once more.
const RUNS = `
  select e.ordinal, count(*) as units,
    count(*) filter (where w.state <> 'open' and w.published_at is not null) as over,
    coalesce(jsonb_agg(c.status) filter (where c.status is not null), '[]') as statuses,
    coalesce(jsonb_agg(c.metric_value) filter (where c.metric_value is not null), '[]') as metrics
  from experiments e join campaigns p on p.id = e.campaign_id
  join work_units w on w.experiment_id = e.id
    and w.seed_index < coalesce(cast(p.file->'replicate'->>'seeds' as integer), 1) -- further seeds are for tests
  left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
  where w.rung = 3 and e.campaign_id = :campaignId and not e.baseline and (
    not exists (select from search_reports r where r.campaign_id = e.campaign_id and r.ordinal = e.ordinal)
    or exists (select from corpus x where x.experiment_id = e.id and greatest(x.published_at, x.retracted_at) >= (
      select r.at from search_reports r where r.campaign_id = e.campaign_id and r.ordinal = e.ordinal
      order by r.position desc limit 1)))
  group by e.ordinal`
