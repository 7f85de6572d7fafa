import { z } from 'zod'
import type { UnitFacts } from '#domain/inspect.ts'
import { type Instant, instant, WorkUnitId } from '#protocol/units.ts'
import { type Executor, execute, recordset, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

/** About so many work units, drawn from all there are by PostgreSQL's own generator; all of them while they are few. */
export async function drawUnits(on: Executor, about: number): Promise<WorkUnitId[]> {
  const { n } = await selectOne(on, z.object({ n: z.int() }), COUNT_UNITS)
  const percent = Math.min(100, (100 * about) / Math.max(1, n))
  return (await select(on, z.object({ id: WorkUnitId }), DRAW, { percent })).map(row => row.id)
}

/** These work units with everything that must agree with them. One statement, hence one snapshot. */
export async function readUnitFacts(
  on: Executor,
  ids: readonly WorkUnitId[],
): Promise<(UnitFacts & { readonly id: WorkUnitId })[]> {
  return select(on, FactsRow, FACTS, { ids })
}

/** What did not hold, about what. */
export interface Finding {
  readonly kind: 'work_unit' | 'ledger' | 'chain'
  readonly subject: string
  readonly detail: string
}

/** Writes findings down; one that is open already is seen again. Returns how many are new. */
export async function raiseAlerts(on: Executor, findings: readonly Finding[], now: Instant): Promise<number> {
  if (findings.length === 0) return 0
  const rows = recordset(findings)
  const raised = await select(on, z.object({ isNew: z.boolean() }), RAISE, { rows, now: toDb(now) })
  return raised.filter(row => row.isNew).length
}

const AlertRow = z.object({
  id: z.int(),
  kind: z.string(),
  subject: z.string(),
  detail: z.string(),
  seenAt: Timestamp,
  lastSeenAt: Timestamp,
  resolvedAt: Timestamp.nullable(),
})
export type AlertRow = z.infer<typeof AlertRow>

/** Alerts, the newest first; `all`: also those that were resolved. */
export const listAlerts = (on: Executor, of: { all: boolean; limit: number }): Promise<AlertRow[]> =>
  select(on, AlertRow, LIST, { ...of })

/** An operator has dealt with it; returns 1, or 0 if it is not open. */
export const resolveAlert = (on: Executor, id: number, now: Instant): Promise<number> =>
  execute(on, RESOLVE, { id, now: toDb(now) })

/** It was not dealt with after all; returns 1, or 0 if another alert about the same is open. */
export const reopenAlert = (on: Executor, id: number): Promise<number> => execute(on, REOPEN, { id })

export const findAlert = (on: Executor, id: number): Promise<AlertRow | undefined> =>
  selectFirst(on, AlertRow, FIND, { id })

export const countAlerts = async (on: Executor): Promise<number> =>
  (await selectOne(on, z.object({ n: z.int() }), COUNT)).n

const Moment = z
  .number()
  .nullable()
  .transform((ms): Instant | null => (ms === null ? null : instant(ms)))
const ResultFacts = z.object({
  id: z.string(),
  state: z.enum(['unsent', 'in_progress', 'over']),
  trusted: z.boolean(),
  verdict: z.enum(['pending', 'valid', 'invalid', 'inconclusive']).nullable(),
  digest: z.string().nullable(),
  sentAt: Moment,
  graceUntil: Moment,
  reportedAt: Moment,
  grantedMilli: z.int(),
  paidMilli: z.int(),
})
const FactsRow = z.object({
  id: WorkUnitId,
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  policy: z.enum(['adaptive', 'fixed']),
  minQuorum: z.int(),
  canonicalId: z.string().nullable(),
  canonicalDigest: z.string().nullable(),
  canonicalMetric: z.number().nullable(),
  metric: z.number().nullable(),
  publishedAt: Timestamp.nullable(),
  isUnpublished: z.boolean(),
  results: z.array(ResultFacts),
  corpus: z.object({ resultId: z.string(), digest: z.string(), metric: z.number().nullable() }).nullable(),
})

const COUNT_UNITS = `select count(*) as n from work_units`

const DRAW = `select id from work_units tablesample bernoulli (:percent)`

const ms = (column: string): string => `round(extract(epoch from ${column}) * 1000)`

// A grant that waits for another day's overrun, and what could not be collected of one that was taken back, count as paid.
const FACTS = `
  select w.id, w.state, w.policy, w.min_quorum as "minQuorum", w.canonical_result_id as "canonicalId",
    c.digest as "canonicalDigest", c.metric as "canonicalMetric", w.metric, w.published_at as "publishedAt",
    exists (select from live_units u where u.campaign_id = w.campaign_id and u.work_unit_id = w.id and not u.published) as "isUnpublished",
    coalesce((select jsonb_agg(jsonb_build_object('id', r.id, 'state', r.state, 'trusted', r.trusted,
        'verdict', r.verdict, 'digest', r.digest, 'sentAt', ${ms('r.sent_at')},
        'graceUntil', ${ms('r.grace_until')}, 'reportedAt', ${ms('r.reported_at')},
        'grantedMilli', r.granted_milli, 'paidMilli',
          (select coalesce(sum(case t.kind when 'grant' then t.amount_milli else -t.amount_milli end), 0)
            from generate_series(0, r.decision) as n (decision)
            join transfers t on t.key in ('grant:' || r.id || ':' || n.decision, 'reverse:' || r.id || ':' || n.decision))
          + (select coalesce(sum(d.amount_milli), 0) from deferred_grants d where d.result_id = r.id)
          - (select coalesce(sum(d.amount_milli), 0) from debts d where d.result_id = r.id)) order by r.id)
      from results r where r.work_unit_id = w.id), '[]') as results,
    (select jsonb_build_object('resultId', p.result_id, 'digest', p.digest, 'metric', p.metric_value)
      from corpus p where p.work_unit_id = w.id and p.retracted_at is null) as corpus
  from work_units w left join results c on c.id = w.canonical_result_id
  where w.id = any(:ids) order by w.id`

const RAISE = `
  insert into alerts (kind, subject, detail, seen_at, last_seen_at)
  select kind, subject, string_agg(detail, '; ' order by detail), :now, :now
  from json_to_recordset(cast(:rows as json)) as x(kind text, subject text, detail text)
  group by kind, subject
  on conflict (kind, subject) where resolved_at is null
    do update set last_seen_at = excluded.last_seen_at, detail = excluded.detail
  returning seen_at = last_seen_at as "isNew"`

const ALERT = `
  select id, kind, subject, detail, seen_at as "seenAt", last_seen_at as "lastSeenAt", resolved_at as "resolvedAt"
  from alerts`

const LIST = `${ALERT} where :all or resolved_at is null order by id desc limit :limit`

const FIND = `${ALERT} where id = :id`

const REOPEN = `
  update alerts a set resolved_at = null where id = :id and resolved_at is not null and not exists (
    select from alerts o where o.kind = a.kind and o.subject = a.subject and o.resolved_at is null)`

const RESOLVE = `update alerts set resolved_at = :now where id = :id and resolved_at is null`

const COUNT = `select count(*) as n from alerts where resolved_at is null`
