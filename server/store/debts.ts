import { z } from 'zod'
import type { Debt, Grant } from '#domain/grants.ts'
import type { Payee } from '#domain/ledger.ts'
import { CampaignId, HostId, type Instant, ResultId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectOne, toDb } from './rows.ts'

const PayeeText = z.custom<Payee>(value => typeof value === 'string' && /^(user|host):.+$/.test(value))
const GrantRow = z.object({
  resultId: ResultId,
  decision: z.int(),
  campaignId: CampaignId,
  hostId: HostId,
  payee: PayeeText,
  amountMilli: z.int(),
})
const DebtRow = GrantRow.omit({ hostId: true })

/**
 * Debts of these payees that are due and not repaid, oldest first. Their accounts must be locked when it matters. `now`
 * null: also those whose appeal period is not over.
 */
export function openDebts(
  on: Executor,
  payees: readonly Payee[],
  now: Instant | null = null,
): Promise<Debt[]> {
  if (payees.length === 0) return Promise.resolve([])
  return select(on, DebtRow, OPEN, { payees, now: toDb(now) })
}

/** Writes down what could not be collected; it is due at `dueAt`. */
export async function insertDebts(
  trx: Trx,
  debts: readonly Debt[],
  { now, dueAt }: { now: Instant; dueAt: Instant },
): Promise<void> {
  if (debts.length === 0) return
  await execute(trx, INSERT, { rows: recordset(debts), now: toDb(now), dueAt: toDb(dueAt) })
}

/** Debts for results of these hosts are not collected any more: an appeal was upheld. */
export const forgiveDebts = (trx: Trx, hostIds: readonly HostId[], now: Instant): Promise<number> =>
  execute(trx, FORGIVE, { hostIds, now: toDb(now) })

/** What a claimed host owes, its user owes from now on. */
export const moveDebts = (trx: Trx, { from, to }: { from: Payee; to: Payee }): Promise<number> =>
  execute(trx, MOVE, { from, to })

/**
 * What was collected of reversed grants of these hosts, is still in `forfeit`, and was right: results that were found valid
 * again while nothing was paid for them. What waits to be judged is paid then; what was wrong stays forfeited.
 */
export const forfeitsOf = (trx: Trx, hostIds: readonly HostId[]): Promise<Grant[]> =>
  select(trx, GrantRow, `${FORFEITS} ${OF_HOSTS} order by b.id`, { hostIds })

/** All that is in `forfeit` since before a moment, oldest first; not while an appeal about it waits. */
export const oldForfeits = (trx: Trx, of: { before: Instant; limit: number }): Promise<Grant[]> =>
  select(trx, GrantRow, `${FORFEITS} ${OLD} order by b.id limit :limit`, {
    before: toDb(of.before),
    limit: of.limit,
  })

export interface DeferredGrant extends Grant {
  readonly vest: boolean
}

/** Grants that wait for another day's overrun. */
export async function deferGrants(trx: Trx, grants: readonly DeferredGrant[], now: Instant): Promise<void> {
  if (grants.length === 0) return
  await execute(trx, DEFER, { rows: recordset(grants), now: toDb(now) })
}

/** The hosts that earned the oldest deferred grants. */
export async function hostsDeferred(trx: Trx, limit: number): Promise<HostId[]> {
  return (await select(trx, z.object({ id: HostId }), HOSTS_DEFERRED, { limit })).map(row => row.id)
}

/** Takes the oldest deferred grants of locked hosts out to pay them; those that another process holds are skipped. */
export const takeDeferred = (trx: Trx, hostIds: readonly HostId[], limit: number): Promise<DeferredGrant[]> =>
  select(trx, GrantRow.extend({ vest: z.boolean() }), TAKE_DEFERRED, { hostIds, limit })

/** Deferred grants of results that are final now; which of these results have one. */
export const vestDeferred = (trx: Trx, resultIds: readonly ResultId[]): Promise<ReadonlySet<ResultId>> =>
  changedDeferred(trx, VEST_DEFERRED, resultIds)
/** Deferred grants of results that are not valid any more are never paid; which of these results had one. */
export const dropDeferred = (trx: Trx, resultIds: readonly ResultId[]): Promise<ReadonlySet<ResultId>> =>
  changedDeferred(trx, DROP_DEFERRED, resultIds)

async function changedDeferred(trx: Trx, sql: string, resultIds: readonly ResultId[]) {
  if (resultIds.length === 0) return new Set<ResultId>()
  const rows = await select(trx, z.object({ id: ResultId }), sql, { resultIds })
  return new Set(rows.map(row => row.id))
}

/** What the mint added to escrows on the UTC day of `now`. Exact while `mint` is locked. */
export const overrunOn = async (on: Executor, now: Instant): Promise<number> =>
  (await selectOne(on, z.object({ milli: z.int() }), OVERRUN, { now: toDb(now) })).milli

const OPEN = `
  select d.result_id as "resultId", d.decision, d.campaign_id as "campaignId", d.payee,
    cast(d.amount_milli - r.repaid as bigint) as "amountMilli"
  from debts d cross join lateral (
    select coalesce(sum(t.amount_milli), 0) as repaid from transfers t
    where t.result_id = d.result_id and t.kind = 'repay'
      and starts_with(t.key, 'repay:' || d.result_id || ':' || d.decision || ':')) as r
  where d.payee = any(:payees) and d.forgiven_at is null and d.amount_milli > r.repaid
    and (cast(:now as timestamptz) is null or d.due_at <= :now)
  order by d.created_at, d.result_id, d.decision`

const INSERT = `
  insert into debts (result_id, decision, campaign_id, payee, amount_milli, created_at, due_at)
  select "resultId", decision, "campaignId", payee, "amountMilli", :now, :dueAt
  from json_to_recordset(cast(:rows as json)) as x("resultId" text, decision int, "campaignId" text, payee text,
    "amountMilli" bigint)`

const FORGIVE = `
  update debts d set forgiven_at = :now from results r
  where r.id = d.result_id and r.host_id = any(:hostIds) and d.forgiven_at is null`

const MOVE = `update debts set payee = :to where payee = :from`

const PAYEE = `h.id as "hostId", case when h.user_id is null then 'host:' || h.id else 'user:' || h.user_id end as payee`

const FORFEITS = `
  select b.result_id as "resultId", x.decision, b.campaign_id as "campaignId", ${PAYEE},
    b.amount_milli as "amountMilli"
  from transfers b cross join lateral (select cast(split_part(b.key, ':', 3) as int) as decision) as x
  join results r on r.id = b.result_id join hosts h on h.id = r.host_id
  where b.kind = 'reverse' and b.credit = 'forfeit' -- all are; it names the index transfers_reversed
    and not exists (select from transfers t where t.key in (
      'forfeit:' || b.result_id || ':' || x.decision, 'restore:' || b.result_id || ':' || x.decision))`

const OF_HOSTS = `and r.host_id = any(:hostIds) and r.state = 'over' and r.verdict = 'valid' and r.granted_milli = 0`
const OLD = `and b.created_at < :before and not exists (
  select from action_hosts x join appeals p on p.action_id = x.action_id
  where x.host_id = r.host_id and p.decision is null)`

const DEFER = `
  insert into deferred_grants (result_id, decision, campaign_id, payee, amount_milli, vest, created_at)
  select "resultId", decision, "campaignId", payee, "amountMilli", vest, :now
  from json_to_recordset(cast(:rows as json)) as x("resultId" text, decision int, "campaignId" text, payee text,
    "amountMilli" bigint, vest boolean)`

const HOSTS_DEFERRED = `
  select distinct r.host_id as id from (
    select result_id from deferred_grants order by created_at, result_id limit :limit) as d
  join results r on r.id = d.result_id`

// The payee may have changed since: a claimed host's grants go to its user. It must not change before they are posted.
const TAKE_DEFERRED = `
  with oldest as (
    select d.result_id, d.decision from deferred_grants d join results r on r.id = d.result_id
    where r.host_id = any(:hostIds) order by d.created_at, d.result_id limit :limit for update of d skip locked),
  taken as (
    delete from deferred_grants d using oldest o
    where d.result_id = o.result_id and d.decision = o.decision returning d.*)
  select d.result_id as "resultId", d.decision, d.campaign_id as "campaignId", ${PAYEE},
    d.amount_milli as "amountMilli", d.vest
  from taken d join results r on r.id = d.result_id join hosts h on h.id = r.host_id
  order by d.created_at, d.result_id`

const VEST_DEFERRED = `update deferred_grants set vest = true where result_id = any(:resultIds) returning result_id as id`

const DROP_DEFERRED = `delete from deferred_grants where result_id = any(:resultIds) returning result_id as id`

const OVERRUN = `
  select cast(coalesce(sum(amount_milli), 0) as bigint) as milli from transfers
  where kind = 'overrun' and created_at >= date_trunc('day', cast(:now as timestamptz), 'UTC')
    and created_at < date_trunc('day', cast(:now as timestamptz), 'UTC') + interval '1 day'`
