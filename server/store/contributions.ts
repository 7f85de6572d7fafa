import { z } from 'zod'
import { type Contribution, dayOf, RECENT_HALF_LIFE_MS } from '#domain/contribution.ts'
import { TRANSFER_KINDS } from '#domain/ledger.ts'
import { type Instant, instant, ResultId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, recordset, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const Cursor = z.object({ at: Timestamp, xmin: z.string() })
export type Cursor = z.infer<typeof Cursor>

const LOCK = `
  select counted_at as at, cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as xmin from contribution_cursor for update skip locked`

/** Keeps every other process from counting until the transaction ends; undefined: another one counts. `xmin` bounds what is complete. */
export const lockContributions = (trx: Trx): Promise<Cursor | undefined> => selectFirst(trx, Cursor, LOCK)

// Of a browser tab the client's name begins with web.
const VIA = `case when h.client like 'web %' then 'tab' else 'cli' end`

const MovedRow = z.object({
  kind: z.enum(TRANSFER_KINDS),
  party: z.string().nullable(),
  sign: z.union([z.literal(1), z.literal(-1)]),
  amountMilli: z.int(),
  via: z.enum(['tab', 'cli']),
  results: z.int(),
  fuel: z.number(),
  at: z.int().transform(instant),
  resultId: ResultId.nullable(),
  /** Of a claim: the host. */
  claimed: z.string().nullable(),
})
export type MovedRow = z.infer<typeof MovedRow>
const TakenRow = z.object({ looked: z.int(), moved: z.array(MovedRow) })

// Values of their own, with which the index begins: joined with its row it would be walked from the first row of the ledger.
const CURSOR = (of: 'transfer' | 'event'): string =>
  `((select ${of}_xid from contribution_cursor), (select ${of}_id from contribution_cursor))`

// An account that was deleted is nobody's: what it gave is part of the anonymous sum. A vest is of one host. Grants are
// most of all, and count when they are final.
const TAKE_TRANSFERS = `
  with page as (
    select t.* from transfers t where (t.xid, t.id) > ${CURSOR('transfer')} and t.xid < cast(:xmin as xid8)
    order by t.xid, t.id limit :limit),
  moved as (
    update contribution_cursor set transfer_xid = p.xid, transfer_id = p.id
    from (select xid, id from page order by xid desc, id desc limit 1) as p)
  select (select count(*) from page) as looked, coalesce(json_agg(json_build_object(
    'kind', p.kind, 'sign', s.sign, 'amountMilli', p.amount_milli, 'at', round(extract(epoch from p.created_at) * 1000),
    'resultId', p.result_id, 'party', case when u.deleted_at is not null then 'anonymous' else s.party end,
    'claimed', case when p.kind = 'claim' and p.debit like 'host:%' then p.debit end,
    'via', ${VIA}, 'results', o.results, 'fuel', o.fuel) order by p.xid, p.id), '[]') as moved
  from page p
  cross join lateral (select case when p.kind in ('vest', 'restore', 'claim') then 1 else -1 end as sign,
    case when p.kind in ('vest', 'restore', 'claim') then p.credit else p.debit end as account) as a
  cross join lateral (select a.sign, case when a.account ~ '^(user|host):' then a.account end as party) as s
  cross join lateral (
    select cast(count(*) as int) as results, cast(coalesce(sum(r.fuel_used), 0) as double precision) as fuel, min(r.host_id) as host_id
    from unnest(coalesce(p.grants, array[p.result_id])) as g (name) join results r on r.id = split_part(g.name, ':', 1)) as o
  left join hosts h on h.id = o.host_id left join users u on u.id = substring(s.party from '^user:(.*)$')
  where p.kind <> 'grant'`

/** How many transfers nobody had counted yet, and those of them that may count, in the order of the ledger; the cursor moves past all. */
export const takeTransfers = (trx: Trx, xmin: string, limit: number): Promise<z.infer<typeof TakenRow>> =>
  selectOne(trx, TakenRow, TAKE_TRANSFERS, { xmin, limit })

const ImpactRow = z.object({ party: z.string(), via: z.enum(['tab', 'cli']), at: Timestamp })

// Every result that stands behind a run of the experiment that leads, or behind a pair of a test that was decided: who confirmed it had a
// part in it. What the corpus answered counts for who computed it. The platform's own hosts earn nothing, and count nothing.
const TAKE_IMPACTS = `
  with page as (
    select e.* from campaign_events e where (e.xid, e.id) > ${CURSOR('event')} and e.xid < cast(:xmin as xid8)
    order by e.xid, e.id limit :limit),
  moved as (
    update contribution_cursor set event_xid = p.xid, event_id = p.id
    from (select xid, id from page order by xid desc, id desc limit 1) as p),
  units as (
    select w.canonical_result_id, p.at from page p join work_units w on w.experiment_id = p.experiment_id
    where p.event = 'best' and w.rung = 3 and w.published_at is not null
    union
    select w.canonical_result_id, p.at from page p
    join campaign_tests t on t.campaign_id = p.campaign_id and t.challenger_id = p.experiment_id
      and t.state in ('promoted', 'rejected')
    join work_units w on w.experiment_id in (t.challenger_id, t.incumbent_id)
      and w.seed_index >= t.first_seed and w.seed_index < t.first_seed + t.pairs_asked
    where p.event = 'verdict' and w.rung = 3 and w.published_at is not null),
  fresh as (
    insert into impacts (result_id, at)
    select r.id, min(u.at) from units u join results c on c.id = u.canonical_result_id
    join results r on r.work_unit_id = c.work_unit_id and r.verdict = 'valid' and r.granted_milli > 0
    group by r.id order by r.id
    on conflict do nothing returning result_id, at)
  select i.at, ${VIA} as via, case when u.deleted_at is not null then 'anonymous'
    when u.id is not null then 'user:' || u.id else 'host:' || h.id end as party
  from fresh i join results r on r.id = i.result_id join hosts h on h.id = r.host_id left join users u on u.id = h.user_id`

/** Results that made an impact by events that nobody counted yet; the cursor moves past those. */
export const takeImpacts = (trx: Trx, xmin: string, limit: number): Promise<z.infer<typeof ImpactRow>[]> =>
  select(trx, ImpactRow, TAKE_IMPACTS, { xmin, limit })

const DROP_IMPACTS = `
  with gone as (delete from impacts where result_id = any(:resultIds) returning result_id, at)
  select i.at, ${VIA} as via, case when u.deleted_at is not null then 'anonymous'
    when u.id is not null then 'user:' || u.id else 'host:' || h.id end as party
  from gone i join results r on r.id = i.result_id join hosts h on h.id = r.host_id left join users u on u.id = h.user_id`

/** Forgets the impact of results that were taken back, and gives whose it was. */
export const dropImpacts = async (
  trx: Trx,
  resultIds: readonly ResultId[],
): Promise<z.infer<typeof ImpactRow>[]> =>
  resultIds.length === 0 ? [] : select(trx, ImpactRow, DROP_IMPACTS, { resultIds })

const DayRow = z.object({
  party: z.string(),
  via: z.enum(['tab', 'cli']),
  day: z.string(),
  valid: z.int(),
  creditMilli: z.int(),
  fuel: z.number(),
  impact: z.int(),
  recentMilli: z.number(),
  at: Timestamp,
})

// What is left at :halves of the sum that forgets. Below 2^-900 nothing is, and PostgreSQL would complain of an underflow.
function leftOf(log2: string): string {
  return `case when ${log2} is null then 0 else power(cast(2 as double precision), greatest(${log2} - :halves, -900)) end`
}

// It stands with the newest day.
const DAYS_OF = `
  select d.party, d.via, cast(d.day as text) as day, d.valid, d.credit as "creditMilli", d.fuel, d.impact, 
    case when d.day = (select max(day) from contribution_days n where n.party = d.party and n.via = d.via)
      then c.impact_at else c.since end as at,
    case when d.day = (select max(day) from contribution_days n where n.party = d.party and n.via = d.via)
      then ${leftOf('c.recent')} else 0 end as "recentMilli"
  from contribution_days d join contributors c on c.party = d.party and c.via = d.via
  where d.party = any(:parties) and d.via <> 'all'`
const FORGET_DAYS = `delete from contribution_days where party = any(:parties)`
const FORGET = `delete from contributors where party = any(:parties)`

/** Takes away everything that is known of these parties, and gives it, to be added to others. */
export async function takeParties(
  trx: Trx,
  parties: readonly string[],
  now: Instant,
): Promise<Contribution[]> {
  if (parties.length === 0) return []
  const days = await select(trx, DayRow, DAYS_OF, { parties, halves: now / RECENT_HALF_LIFE_MS })
  await execute(trx, FORGET_DAYS, { parties })
  await execute(trx, FORGET, { parties })
  return days
}

const PartyRow = z.object({ party: z.string() })
const DELETED = `
  select distinct c.party from users u join contributors c on c.party = 'user:' || u.id
  where u.deleted_at > cast(:since as timestamptz) - interval '1 hour'`

/** Accounts that were deleted since then and are still listed. */
export const listDeleted = async (trx: Trx, since: Instant): Promise<string[]> =>
  (await select(trx, PartyRow, DELETED, { since: toDb(since) })).map(({ party }) => party)

const ADDED = `
  select x.party, v.via, x.day, x.valid, x.credit, x.fuel, x.impact, x.recent, x.at
  from json_to_recordset(cast(:rows as json)) as x(party text, via contribution_via, day date, valid bigint, credit bigint,
    fuel double precision, impact bigint, recent double precision, at timestamptz)
  cross join lateral unnest(array[x.via, 'all'::contribution_via]) as v(via)`

const ADDED_TO_DAY = `on conflict (party, via, day) do update set valid = contribution_days.valid + excluded.valid,
    credit = contribution_days.credit + excluded.credit, fuel = contribution_days.fuel + excluded.fuel,
    impact = contribution_days.impact + excluded.impact`
const ADD_DAYS = `
  insert into contribution_days (party, via, day, valid, credit, fuel, impact)
  select party, via, day, sum(valid), sum(credit), sum(fuel), sum(impact) from (${ADDED}) as a
  group by party, via, day order by party, via, day
  ${ADDED_TO_DAY}`

const COLUMNS = ['valid', 'credit', 'fuel', 'impact'] as const
const SPANS = [
  ['all', 'true'],
  ['year', `a.day > cast(:today as date) - 365`],
  ['week', `a.day > cast(:today as date) - 7`],
] as const
const each = (of: (column: string, span: string, within: string) => string): string =>
  COLUMNS.flatMap(column => SPANS.map(([span, within]) => of(column, span, within))).join(', ')

const ADD = `
  insert into contributors as c (party, via, since, impact_at, ${each((column, span) => `${column}_${span}`)})
  select a.party, a.via, min(a.at), coalesce(max(a.at) filter (where a.impact > 0), max(a.at)),
    ${each((column, _, within) => `coalesce(sum(a.${column}) filter (where ${within}), 0)`)}
  from (${ADDED}) as a group by a.party, a.via order by a.party, a.via
  on conflict (party, via) do update set since = least(c.since, excluded.since),
    impact_at = case when excluded.impact_all > 0 then greatest(c.impact_at, excluded.impact_at) else c.impact_at end,
    ${each((column, span) => `${column}_${span} = c.${column}_${span} + excluded.${column}_${span}`)}`

// The sum that forgets is kept as its logarithm in 1970: adding goes by way of its value now. Who is at zero is not recent.
const ADD_RECENT = `
  update contributors c set recent = case when s.sum > 1e-6 then ln(s.sum) / ln(cast(2 as double precision)) + :halves end
  from (
    select c.party, c.via, ${leftOf('c.recent')} + a.recent as sum
    from (select party, via, sum(recent) as recent from (${ADDED}) as x group by party, via) as a
    join contributors c on c.party = a.party and c.via = a.via
    order by c.party, c.via) as s
  where c.party = s.party and c.via = s.via`

/** Adds up; `today` is where week and year end. */
export async function addContributions(
  trx: Trx,
  contributions: readonly Contribution[],
  now: Instant,
): Promise<void> {
  if (contributions.length === 0) return
  const rows = recordset(
    contributions.map(({ creditMilli, recentMilli, at, ...one }) => ({
      ...{ ...one, credit: creditMilli, recent: recentMilli, at: toDb(at) },
    })),
  )
  await execute(trx, ADD_DAYS, { rows })
  await execute(trx, ADD, { rows, today: dayOf(now) })
  await execute(trx, ADD_RECENT, { rows, halves: now / RECENT_HALF_LIFE_MS })
}

const fallen = (days: number): string =>
  `d.day <= cast(:today as date) - ${days} and d.day > cast(:from as date) - ${days}`
const subtracted = (span: 'year' | 'week'): string =>
  COLUMNS.map(column => `${column}_${span} = c.${column}_${span} - g.${column}_${span}`).join(', ')
const sums = (span: 'year' | 'week', days: number): string =>
  COLUMNS.map(
    column => `coalesce(sum(d.${column}) filter (where ${fallen(days)}), 0) as ${column}_${span}`,
  ).join(', ')

const END_DAYS = `
  with gone as (
    select d.party, d.via, ${sums('week', 7)}, ${sums('year', 365)} from contribution_days d
    where (${fallen(7)}) or (${fallen(365)}) group by d.party, d.via)
  update contributors c set ${subtracted('week')}, ${subtracted('year')} from gone g
  where c.party = g.party and c.via = g.via`
const OLDEST = '1970-01-01'
const GATHER = `
  with old as (
    delete from contribution_days where day <= cast(:today as date) - 365 and day > '${OLDEST}' returning *)
  insert into contribution_days (party, via, day, valid, credit, fuel, impact)
  select party, via, '${OLDEST}', sum(valid), sum(credit), sum(fuel), sum(impact) from old group by party, via
  ${ADDED_TO_DAY}`
const SET_AT = `update contribution_cursor set counted_at = :now`

/** Lets week and year end with the day of `now`: what falls out of them is subtracted, once a day. */
export async function endDays(trx: Trx, from: Instant, now: Instant): Promise<void> {
  await execute(trx, SET_AT, { now: toDb(now) })
  const days = { from: dayOf(from), today: dayOf(now) }
  if (days.from === days.today) return
  await execute(trx, END_DAYS, days)
  await execute(trx, GATHER, { today: days.today })
}
