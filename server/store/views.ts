import { z } from 'zod'
import { EngineClass, Exactness } from '#protocol/engine.ts'
import type { HostView } from '#protocol/host.ts'
import { Recipe, Rung } from '#protocol/job.ts'
import {
  type CampaignId,
  ExperimentId,
  HostId,
  type Instant,
  ResultId,
  toWire,
  UserId,
  WorkUnitId,
} from '#protocol/units.ts'
import { exactness, VERIFIED } from './exactness.ts'
import { HostState } from './hosts.ts'
import { provisional } from './provisional.ts'
import { resultsOf } from './results.ts'
import { type Executor, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const HostRow = z.object({
  id: HostId,
  userId: UserId.nullable(),
  name: z.string(),
  state: HostState,
  trusted: z.boolean(),
  client: z.string(),
  engineClasses: z.array(z.string()),
  cores: z.int(),
  createdAt: Timestamp,
  lastSeenAt: Timestamp,
  inProgress: z.int(),
  pending: z.int(),
  valid: z.int(),
  invalid: z.int(),
  inconclusive: z.int(),
  error: z.int(),
  noReply: z.int(),
  grantedMilli: z.int(),
})

const HOST = `
  select h.id, h.user_id as "userId", h.name, h.state, h.trusted, h.client, h.engine_classes as "engineClasses", h.cores,
    h.created_at as "createdAt", h.last_seen_at as "lastSeenAt",
    count(*) filter (where r.state = 'in_progress') as "inProgress",
    count(*) filter (where r.verdict = 'pending') as pending,
    count(*) filter (where r.verdict = 'valid') as valid,
    count(*) filter (where r.verdict = 'invalid') as invalid,
    count(*) filter (where r.verdict = 'inconclusive') as inconclusive,
    count(*) filter (where r.outcome = 'error') as error,
    count(*) filter (where r.outcome = 'no_reply') as "noReply",
    cast(coalesce(sum(r.granted_milli), 0) as bigint) as "grantedMilli"
  from hosts h left join lateral ${resultsOf('h.id')} r on true
  where h.id = :id group by h.id`

/** What anyone may know of a host. */
export async function readHostView(
  on: Executor,
  id: HostId,
): Promise<(Omit<HostView, 'credit'> & { userId: UserId | null }) | undefined> {
  const row = await selectFirst(on, HostRow, HOST, { id })
  if (row === undefined) return undefined
  const { inProgress, pending, valid, invalid, inconclusive, error, noReply, ...host } = row
  return {
    ...host,
    createdAt: toWire(row.createdAt),
    lastSeenAt: toWire(row.lastSeenAt),
    results: { inProgress, pending, valid, invalid, inconclusive, error, noReply },
  }
}

const OwnHost = z.object({ id: HostId, name: z.string(), state: HostState, lastSeenAt: Timestamp })

const HOSTS_OF = `
  select id, name, state, last_seen_at as "lastSeenAt" from hosts where user_id = :userId order by id`

export const hostsOf = (on: Executor, userId: string): Promise<z.infer<typeof OwnHost>[]> =>
  select(on, OwnHost, HOSTS_OF, { userId })

const Tally = z.object({ name: z.string(), count: z.int() })
/** How many there are of each kind. */
export type Tally = ReadonlyMap<string, number>

const tally = async (on: Executor, sql: string, campaignId: CampaignId): Promise<Tally> =>
  new Map((await select(on, Tally, sql, { campaignId })).map(row => [row.name, row.count]))

const WORK_UNIT_STATES = `
  select cast(state as text) as name, count(*) as count from work_units where campaign_id = :campaignId group by state`
const PROVISIONAL = `
  select 'provisional' as name, count(*) as count
  from provisional_results p join corpus c on c.work_unit_id = p.work_unit_id and c.retracted_at is null
  where p.campaign_id = :campaignId`
const FAILURES = `
  select cast(failure as text) as name, count(*) as count from work_units
  where campaign_id = :campaignId and failure is not null group by failure`
// A success is named by its verdict, every other by how it ended or where it stands.
const RESULT_STATES = `
  select coalesce(cast(r.verdict as text), cast(r.outcome as text), cast(r.state as text)) as name, count(*) as count
  from results r join work_units w on w.id = r.work_unit_id where w.campaign_id = :campaignId group by 1`
// Grants are what the escrow had and has not any more, which the audit proves: one for each result is too many to add up for a page.
const MOVED = `
  with few as (
    select kind, cast(sum(amount_milli) as bigint) as milli from transfers
    where campaign_id = :campaignId and kind not in ('grant', 'vest') group by kind)
  select cast(kind as text) as name, milli as count from few
  union all
  select 'grant', cast(coalesce(sum(case when kind in ('reserve', 'overrun', 'forfeit', 'repay') then milli
      when kind = 'refund' then -milli end), 0) as bigint)
    - coalesce((select balance_milli from accounts where name = 'escrow:' || cast(:campaignId as text)), 0) from few`

export interface CampaignCounts {
  readonly workUnits: Tally
  readonly failures: Tally
  readonly results: Tally
  readonly moved: Tally // milli-credits by kind of transfer, without what vested
}

export const countCampaign = async (on: Executor, id: CampaignId): Promise<CampaignCounts> => ({
  workUnits: new Map([...(await tally(on, WORK_UNIT_STATES, id)), ...(await tally(on, PROVISIONAL, id))]),
  failures: await tally(on, FAILURES, id),
  results: await tally(on, RESULT_STATES, id),
  moved: await tally(on, MOVED, id),
})

const LeaderRow = z.object({
  experimentId: ExperimentId,
  recipe: Recipe,
  baseline: z.boolean(),
  n: z.int(),
  mean: z.number().nullable(),
  sd: z.number().nullable(),
  diverged: z.int(),
  failed: z.int(),
  provisional: z.int(),
  engines: z.array(EngineClass),
  exactness: Exactness,
  /** Runs with a metric that no verifier has seen. */
  unverified: z.int(),
  resultId: ResultId.nullable(),
})
export type LeaderRow = z.infer<typeof LeaderRow>

// An experiment that diverged with any seed ranks below all that never did. `sign` turns a metric to be maximised round.
// Ranked first, by what one pass over the campaign gives; what has to be looked up run by run is, of the first ones.
// Of some experiments it is another statement, so that one plan serves each.
const leadersOf = (among: 'all' | 'some'): string => `
  with published as (
    select experiment_id, count(metric_value) as n, avg(metric_value) as mean, stddev_samp(metric_value) as sd,
      count(*) filter (where status <> 'ok') as diverged
    from corpus where campaign_id = :campaignId and retracted_at is null and rung = 3
      ${among === 'some' ? 'and work_unit_id = any(array(select id from work_units where experiment_id = any(:among)))' : ''}
    group by experiment_id),
  lost as (
    select experiment_id, count(*) as failed from work_units
    where campaign_id = :campaignId and failure is not null and rung = 3
      ${among === 'some' ? 'and experiment_id = any(:among)' : ''} group by experiment_id),
  ranked as (
    select e.id, coalesce(p.n, 0) as n, p.mean, p.sd, coalesce(p.diverged, 0) as diverged, coalesce(l.failed, 0) as failed,
      row_number() over (order by coalesce(p.n, 0) = 0, coalesce(p.diverged, 0) > 0, p.mean * :sign nulls last, e.ordinal) as place
    from experiments e left join published p on p.experiment_id = e.id left join lost l on l.experiment_id = e.id
    where e.campaign_id = :campaignId and (p.experiment_id is not null or l.experiment_id is not null)
      ${among === 'some' ? 'and e.id = any(:among)' : ''}
    order by place limit :limit)
  select e.id as "experimentId", e.recipe, e.baseline, k.n, k.mean, k.sd, k.diverged, k.failed, own.provisional, own.unverified,
    coalesce(own.engines, '{}') as engines, own.exactness, own.best as "resultId"
  from ranked k join experiments e on e.id = k.id cross join lateral (
    select count(*) filter (where metric_value is not null and not verified) as unverified,
      count(*) filter (where provisional) as provisional, array_agg(distinct engine_class) as engines,
      case when bool_or(exactness = 'not_rerun') then 'not_rerun' when bool_or(exactness = 'rerun') then 'rerun'
        else 'exact' end as exactness,
      (array_agg(result_id order by metric_value * :sign nulls last))[1] as best
    from (select c.*, ${provisional('c.work_unit_id')} as provisional, ${VERIFIED} as verified, ${exactness({
      engineClass: 'c.engine_class',
      unit: 'c.work_unit_id',
      computedIn: '(select o.work_unit_id from results o where o.id = c.result_id)',
    })} as exactness
      from work_units w join corpus c on c.work_unit_id = w.id
      where w.experiment_id = k.id and c.retracted_at is null and c.rung = 3) as runs) as own
  order by k.place`
const LEADERS = leadersOf('all')
const LEADERS_AMONG = leadersOf('some')

interface Leading {
  readonly campaignId: CampaignId
  readonly goal: 'minimize' | 'maximize'
  readonly limit: number
  /** Looks at these experiments only. */
  readonly among?: readonly ExperimentId[]
}

/** Experiments with something published or failed, best first. */
export const readLeaders = (
  on: Executor,
  { campaignId, goal, limit, among }: Leading,
): Promise<LeaderRow[]> =>
  select(on, LeaderRow, among === undefined ? LEADERS : LEADERS_AMONG, {
    ...{ campaignId, limit, ...(among === undefined ? {} : { among }) },
    sign: goal === 'minimize' ? 1 : -1,
  })

const WorkUnitRow = z.object({
  id: WorkUnitId,
  experimentId: ExperimentId,
  seedIndex: z.int(),
  rung: Rung,
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  failure: z.string().nullable(),
  disputed: z.boolean(),
  published: z.boolean(),
  results: z.array(
    z.object({
      id: ResultId,
      kind: z.string(),
      state: z.string(),
      outcome: z.string().nullable(),
      verdict: z.string().nullable(),
      fraction: z.number(),
      hostId: HostId.nullable(),
    }),
  ),
})
export type WorkUnitRow = z.infer<typeof WorkUnitRow>

const WORK_UNITS = `
  select w.id, w.experiment_id as "experimentId", w.seed_index as "seedIndex", w.rung, w.state, w.failure,
    w.disputed and w.published_at is not null as disputed, w.published_at is not null as published,
    coalesce((select jsonb_agg(jsonb_build_object('id', r.id, 'kind', r.kind, 'state', r.state, 'outcome', r.outcome,
        'verdict', r.verdict, 'fraction', r.fraction,
        'hostId', case when w.published_at is not null then r.host_id end) order by r.id)
      from results r where r.work_unit_id = w.id and (w.published_at is not null or r.kind = 'replica')), '[]') as results
  from work_units w where w.campaign_id = :campaignId and w.id > :after order by w.id limit :limit`

/**
 * Work units in the order of their ids. Which host computes what stays secret until publication, and which of them the verifier
 * looks at: a check that is there before any replica would tell a canary by its looks.
 */
export const listWorkUnits = (
  on: Executor,
  page: { campaignId: CampaignId; after: string; limit: number },
): Promise<WorkUnitRow[]> => select(on, WorkUnitRow, WORK_UNITS, { ...page })

const LedgerRow = z.object({ account: z.string(), balanceMilli: z.int() })
const LEDGER = `
  select name as account, balance_milli as "balanceMilli" from accounts
  where balance_milli <> 0 order by name limit :limit`
export const readAccounts = (on: Executor, limit: number): Promise<z.infer<typeof LedgerRow>[]> =>
  select(on, LedgerRow, LEDGER, { limit })

const LedgerState = z.object({
  sumMilli: z.int(),
  transfers: z.int(),
  overrunTodayMilli: z.int(),
  debtsMilli: z.int(),
  deferredMilli: z.int(),
})

const LEDGER_STATE = `
  select (select cast(coalesce(sum(balance_milli), 0) as bigint) from accounts) as "sumMilli",
    (select count(*) from transfers) as transfers,
    (select cast(coalesce(sum(amount_milli), 0) as bigint) from transfers
      where kind = 'overrun' and created_at >= date_trunc('day', cast(:now as timestamptz), 'UTC')) as "overrunTodayMilli",
    (select cast(coalesce(sum(amount_milli), 0) as bigint) from debts where forgiven_at is null)
      - (select cast(coalesce(sum(amount_milli), 0) as bigint) from transfers where kind = 'repay') as "debtsMilli",
    (select cast(coalesce(sum(amount_milli), 0) as bigint) from deferred_grants) as "deferredMilli"`

/** The sum over all accounts, which is zero unless something is broken, and what an operator watches. */
export const readLedgerState = (on: Executor, now: Instant): Promise<z.infer<typeof LedgerState>> =>
  selectOne(on, LedgerState, LEDGER_STATE, { now: toDb(now) })
