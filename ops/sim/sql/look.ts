import type { Knex } from 'knex'
import { z } from 'zod'
import { CampaignId, HostId, type Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import { audit } from '#store/ledger.ts'
import { select, selectOne, Timestamp } from '#store/rows.ts'
import type { Ending, SimLease, UnitView } from '../grid.ts'
import type { Answer } from '../truth.ts'

// What the simulation looks up in the database to compare with what it knows. The server has no use for it.

const RunRow = z.object({
  resultId: ResultId,
  campaignId: CampaignId,
  ordinal: z.int(),
  seedIndex: z.int(),
  kind: z.enum(['replica', 'check']),
  canary: z.boolean(),
})

const RUNS = `
  select r.id as "resultId", w.campaign_id as "campaignId", e.ordinal, w.seed_index as "seedIndex", r.kind, w.canary
  from results r join work_units w on w.id = r.work_unit_id join experiments e on e.id = w.experiment_id
  where r.id = any(:ids)`

/** Which runs leases are about. */
export async function runsOf(
  knex: Knex,
  ids: readonly ResultId[],
  numbers: ReadonlyMap<CampaignId, number>,
): Promise<Map<ResultId, Pick<SimLease, 'run' | 'purpose'>>> {
  if (ids.length === 0) return new Map()
  const rows = await select(knex, RunRow, RUNS, { ids })
  return new Map(
    rows.map(({ resultId, campaignId, ordinal, seedIndex, kind, canary }) => [
      resultId,
      {
        run: { campaign: numbers.get(campaignId) ?? -1, ordinal, seedIndex },
        purpose: kind === 'check' && canary ? 'canary' : kind,
      },
    ]),
  )
}

const ViewRow = z.object({
  id: WorkUnitId,
  campaignId: CampaignId,
  ordinal: z.int(),
  seedIndex: z.int(),
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  canonicalId: ResultId.nullable(),
  provisional: z.boolean(),
  verified: z.boolean(),
  published: z.boolean(),
})

const VIEWS = `
  select w.id, w.campaign_id as "campaignId", e.ordinal, w.seed_index as "seedIndex", w.state,
    w.canonical_result_id as "canonicalId", exists (select from provisional_results p where p.work_unit_id = w.id) as provisional,
    exists (select from results v where v.work_unit_id = c.work_unit_id and v.trusted and v.verdict = 'valid') as verified,
    w.published_at is not null as published
  from work_units w join experiments e on e.id = w.experiment_id
  left join results c on c.id = w.canonical_result_id
  where w.id = any(:ids) order by w.id`

export async function viewsOf(
  knex: Knex,
  ids: readonly WorkUnitId[],
  known: { answers: ReadonlyMap<ResultId, Answer>; numbers: ReadonlyMap<CampaignId, number> },
): Promise<UnitView[]> {
  if (ids.length === 0) return []
  return (await select(knex, ViewRow, VIEWS, { ids })).map(
    ({ campaignId, ordinal, seedIndex, canonicalId, ...view }) => ({
      ...view,
      ...{ canonicalId, run: { campaign: known.numbers.get(campaignId) ?? -1, ordinal, seedIndex } },
      canonical: canonicalId === null ? null : (known.answers.get(canonicalId) ?? null),
    }),
  )
}

const UNITS_OF_HOSTS = `select distinct work_unit_id as id from results where host_id = any(:hostIds)`

export async function unitsOfHosts(knex: Knex, hostIds: readonly HostId[]): Promise<WorkUnitId[]> {
  const rows = await select(knex, z.object({ id: WorkUnitId }), UNITS_OF_HOSTS, { hostIds })
  return rows.map(row => row.id)
}

export async function nextWake(knex: Knex): Promise<Instant | null> {
  const row = await selectOne(
    knex,
    z.object({ at: Timestamp.nullable() }),
    `select least((select min(wake_at) from live_units), (select min(deadline) from results where state = 'in_progress')) as at`,
  )
  return row.at
}

export async function somePaused(knex: Knex): Promise<boolean> {
  const sql = `select exists (select from hosts where state = 'paused') as paused`
  return (await selectOne(knex, z.object({ paused: z.boolean() }), sql)).paused
}

export async function openReplicas(knex: Knex): Promise<number> {
  const sql = `select count(*) as n from results where state = 'unsent' and lane = 'anyone'`
  return (await selectOne(knex, z.object({ n: z.int() }), sql)).n
}

const PAY = `
  select result_id as id, coalesce(sum(amount_milli) filter (where kind = 'grant'), 0)::bigint as granted,
    coalesce(sum(amount_milli) filter (where kind = 'reverse'), 0)::bigint as reversed
  from transfers where result_id is not null group by result_id`
const PayRow = z.object({ id: ResultId, granted: z.int(), reversed: z.int() })

const OPEN = `
  select w.id, coalesce(string_agg(r.kind || ' ' || r.state, ', ') filter (where r.state <> 'over'), '') as live,
    exists (select from live_units l where l.work_unit_id = w.id and l.wake_at is not null) as wakes
  from work_units w left join results r on r.work_unit_id = w.id where w.state = 'open' group by w.id`
const OpenRow = z.object({ id: WorkUnitId, live: z.string(), wakes: z.boolean() })

const HostRow = z.object({ id: HostId, excluded: z.boolean() })

export async function endingOf(knex: Knex): Promise<Ending> {
  const books = await audit(knex)
  const pay = await select(knex, PayRow, PAY)
  const open = await select(knex, OpenRow, OPEN)
  return {
    ledgerSumMilli: books.sumMilli,
    ledgerDifferences: books.differences.length,
    hosts: await select(
      knex,
      HostRow,
      `select id, state = 'quarantined' as excluded from hosts where not trusted`,
    ),
    pay: new Map(
      pay.map(({ id, granted, reversed }) => [id, { grantedMilli: granted, reversedMilli: reversed }]),
    ),
    openUnits: open.map(({ id, live, wakes }) => ({ id, why: live || (wakes ? 'a wake-up' : '') })),
    checksFor: {},
  }
}
