import { z } from 'zod'
import { invariant } from '#domain/invariant.ts'
import { CampaignFile, CampaignState, EndedBy } from '#protocol/campaign.ts'
import type { Recipe } from '#protocol/job.ts'
import type { Proposer } from '#protocol/space.ts'
import { CampaignId, type ExperimentId, type Instant, Sha256, UserId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import {
  type Bindings,
  type Executor,
  execute,
  recordsOf,
  select,
  selectFirst,
  selectOne,
  toDb,
} from './rows.ts'
import { leadingOf } from './scores.ts'

const ProgressRow = z.object({
  id: CampaignId,
  ownerId: UserId,
  state: CampaignState,
  file: CampaignFile,
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  experimentsPlanned: z.int(),
  experimentsCreated: z.int(),
  revision: z.int(),
  respaced: z.boolean(),
  /** Why it tries nothing more; null while it does. */
  endedBy: EndedBy.nullable(),
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

const Counts = z.object({ unsent: z.int(), activeHosts: z.int(), furtherCampaigns: z.int() })

/** Unsent results of the campaign (of thousands a close estimate), hosts that called since `since`, and running campaigns of its owner beside it. */
export const countWork = (trx: Trx, id: CampaignId, since: Instant): Promise<z.infer<typeof Counts>> =>
  selectOne(trx, Counts, COUNT_WORK, { id, since: toDb(since) })

// Of the row as it is: every change of a campaign gives it another.
const Version = z.string()

const Stock = z.object({ created: z.int(), version: Version })

/** How many experiments a locked campaign has by now, and its version. */
export const readStock = (trx: Trx, id: CampaignId): Promise<z.infer<typeof Stock>> =>
  selectOne(trx, Stock, STOCK, { id })

const VersionRow = z.object({ id: CampaignId, version: Version })

/** Which version of these campaigns there is. */
export async function readVersions(
  on: Executor,
  ids: readonly CampaignId[],
): Promise<Map<CampaignId, string>> {
  const rows = await select(on, VersionRow, VERSIONS, { ids })
  return new Map(rows.map(({ id, version }) => [id, version]))
}

const Remaining = z.object({ isOpen: z.boolean(), isUnpublished: z.boolean(), isProvisional: z.boolean() })

/** Whether any work unit of the campaign is still open, any is not published yet, and any of what is stands provisionally. */
export const remainingOf = (
  trx: Trx,
  { id, provisionalSince }: { id: CampaignId; provisionalSince: Instant },
): Promise<z.infer<typeof Remaining>> =>
  selectOne(trx, Remaining, REMAINING, { id, provisionalSince: toDb(provisionalSince) })

export interface NewExperiment {
  readonly id: ExperimentId
  readonly ordinal: number
  readonly recipe: Recipe
  readonly recipeSha256: Sha256
  /** How many reports its sampler had been given. */
  readonly asked: number
  /** Of the campaign's file when it was proposed. */
  readonly revision: number
  /** Which of the proposers of the campaign; null in a study, which proposes nothing. */
  readonly proposer: Proposer | null
  /** Of how many promotions the choice among several proposers knew. */
  readonly promotions: number
  /** Whose proposal it was; null: no person's. */
  readonly proposerId: UserId | null
}

/** Adds the next experiments of a locked campaign. */
export async function insertExperiments(
  trx: Trx,
  campaignId: CampaignId,
  experiments: readonly NewExperiment[],
  now: Instant,
): Promise<void> {
  await execute(trx, INSERT, { campaignId, ...NEW_EXPERIMENTS.bindings(experiments), now: toDb(now) })
  const counted = await execute(trx, COUNT_CREATED, { campaignId, count: experiments.length })
  invariant(counted === 1, 'experiments are of a campaign')
}

/** Marks a locked campaign as settled, and as finished if it was running. */
export const settleCampaign = (trx: Trx, id: CampaignId, now: Instant): Promise<number> =>
  execute(trx, SETTLE, { id, now: toDb(now) })

/** A settled campaign of which something is open again is not settled any more; returns 1, or 0 if nothing is. */
export const unsettle = (trx: Trx, id: CampaignId): Promise<number> => execute(trx, UNSETTLE, { id })

/**
 * Units of the campaign whose provisional answers are to be checked by the verifier, one of each host that has any, drawn by
 * `salt`: what passes makes all its earlier ones final.
 */
export const drawAudits = (trx: Trx, id: CampaignId, salt: string): Promise<WorkUnitId[]> =>
  idsOf(trx, DRAW_AUDITS, { id, salt })

/** Units behind the best rows of the campaign's leaderboard that no verifier has seen. */
export const listUnverifiedLeaders = (trx: Trx, id: CampaignId, rows: number): Promise<WorkUnitId[]> =>
  idsOf(trx, UNVERIFIED_LEADERS, { id, rows })

async function idsOf(trx: Trx, sql: string, bindings: Bindings): Promise<WorkUnitId[]> {
  return (await select(trx, z.object({ id: WorkUnitId }), sql, bindings)).map(row => row.id)
}

const LOCK = `
  select id, owner_id as "ownerId", revision, respaced, file,
    case when paused_at is null then cast(state as text) else 'paused' end as state, kernel_sha256 as "kernelSha256",
    dataset_sha256 as "datasetSha256", experiments_planned as "experimentsPlanned",
    experiments_created as "experimentsCreated",
    ended_by as "endedBy"
  from campaigns where id = :id and settled_at is null for no key update`

const LIST = `select id from campaigns where settled_at is null order by id limit :limit`

// Where more than so many live units are in it, a sixteenth of all, by the last digit of their random ids, says how many are unsent, within
// a tenth of four thousand: counting them took tens of milliseconds a look.
const SAMPLE_MIN = 60
const SAMPLED = `right(u.work_unit_id, 1) in ('0', '1')` // the condition of live_units_sampled
const UNSENT = `
  from live_units u join results r on r.work_unit_id = u.work_unit_id where u.campaign_id = :id and r.state = 'unsent'`
const COUNT_WORK = `
  select
    case when exists (select from live_units u where u.campaign_id = :id and ${SAMPLED} offset ${SAMPLE_MIN})
      then (select 16 * count(*) ${UNSENT} and ${SAMPLED})
      else (select count(*) ${UNSENT}) end as unsent,
    (select count(*) from hosts where state = 'active' and last_seen_at > :since) as "activeHosts",
    (select count(*) from campaigns c join campaigns o on o.owner_id = c.owner_id and o.id <> c.id
      where c.id = :id and o.state = 'running' and o.paused_at is null) as "furtherCampaigns"`

const STOCK = `select experiments_created as created, cast(xmin as text) as version from campaigns where id = :id`

const VERSIONS = `select id, cast(xmin as text) as version from campaigns where id = any(:ids)`

const REMAINING = `
  select exists (select from live_units u join work_units w on w.id = u.work_unit_id
      where u.campaign_id = :id and w.state = 'open') as "isOpen",
    exists (select from live_units where campaign_id = :id and not published) as "isUnpublished",
    exists (select from provisional_results p join corpus c on c.work_unit_id = p.work_unit_id and c.retracted_at is null
      where p.campaign_id = :id and c.published_at > :provisionalSince) as "isProvisional"`

const NEW_EXPERIMENTS = recordsOf({
  id: 'text',
  ordinal: 'int',
  recipe: 'jsonb',
  recipeSha256: 'text',
  asked: 'int',
  revision: 'int',
  proposer: 'text',
  promotions: 'int',
  proposerId: 'text',
})
const INSERT = `
  insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, asked, revision, proposer, promotions,
    proposer_id, created_at)
  select id, :campaignId, ordinal, recipe, "recipeSha256", asked, revision, proposer, promotions, "proposerId", :now
  from (${NEW_EXPERIMENTS.sql}) as x`

const COUNT_CREATED = `
  update campaigns set experiments_created = experiments_created + :count where id = :campaignId`

const SETTLE = `
  update campaigns set settled_at = :now, ended_at = coalesce(ended_at, :now), paused_at = null,
    ended_by = coalesce(ended_by, case when experiments_created < experiments_planned then 'space' else 'runs' end),
    state = case when state = 'running' then 'finished' else state end::campaign_state
  where id = :id and settled_at is null`

const UNSETTLE = `
  update campaigns set settled_at = null where id = :id and settled_at is not null
    and exists (select from live_units where campaign_id = :id and not published)`

const DRAW_AUDITS = `
  select distinct on (r.host_id) w.id
  from provisional_results p join corpus c on c.work_unit_id = p.work_unit_id and c.retracted_at is null
  join work_units w on w.id = p.work_unit_id join results r on r.id = w.canonical_result_id
  where p.campaign_id = :id and w.state = 'valid'
    and not exists (select from provisional_results o join work_units ow on ow.id = o.work_unit_id
      where o.host_id = r.host_id and o.campaign_id = :id and ow.wanted_check = 'verifier')
  order by r.host_id, hashtextextended(w.id || cast(:salt as text), 0)`

const UNVERIFIED_LEADERS = `
  select distinct s.id from campaigns c cross join lateral (${leadingOf(':rows')}) as l
  join work_units w on w.experiment_id = l.experiment_id
  join results a on a.id = w.canonical_result_id
  join work_units s on s.id = a.work_unit_id -- where the corpus answered, another than w
  where c.id = :id and w.state = 'valid' and w.metric is not null and s.state = 'valid' and s.wanted_check <> 'verifier'
    and not exists (select from results r where r.work_unit_id = s.id and r.trusted and r.verdict = 'valid')
    and not (a.confirmed and s.engine_class not in ('wasm', 'onnx-wasm'))
  order by s.id`
