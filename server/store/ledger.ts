import { z } from 'zod'
import type { AccountName, Transfer } from '#domain/ledger.ts'
import { CampaignId, type Instant, type MilliCredit, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { IS_VESTED } from './provisional.ts'
import { column, type Executor, execute, select, selectOne, toDb } from './rows.ts'

/**
 * Posts transfers and moves the balances by those whose key was not posted before; returns how many were. Throws, and
 * so rolls back, when an account but `mint` would fall below zero: look first, with `lockBalances`, and hand over which
 * accounts are locked.
 */
export async function post(
  trx: Trx,
  transfers: readonly Transfer[],
  now: Instant,
  locked: ReadonlyMap<AccountName, MilliCredit> = new Map(),
): Promise<number> {
  if (transfers.length === 0) return 0
  const names = transfers.flatMap(t => [t.debit, t.credit])
  const missing = names.filter(name => !locked.has(name))
  const [, { posted }] = await Promise.all([
    lockBalances(trx, missing),
    selectOne(trx, z.object({ posted: z.int() }), POST, {
      keys: column(transfers, t => t.key),
      kinds: column(transfers, t => t.kind),
      debits: column(transfers, t => t.debit),
      credits: column(transfers, t => t.credit),
      amounts: column(transfers, t => t.amountMilli),
      campaignIds: column(transfers, t => t.campaignId),
      resultIds: column(transfers, t => t.resultId),
      grants: column(transfers, t => t.grants?.join(' ') ?? null), // unnest would take arrays of arrays apart
      reasons: column(transfers, t => t.reason),
      now: toDb(now),
    }),
  ])
  return posted
}

/**
 * Locks accounts until the transaction ends, in name order with `mint` last (it is the busiest), creating those that do
 * not exist; returns their balances.
 */
export async function lockBalances(
  trx: Trx,
  names: readonly AccountName[],
): Promise<ReadonlyMap<AccountName, MilliCredit>> {
  const distinct = [...new Set(names)]
  if (distinct.length === 0) return new Map()
  const [, rows] = await Promise.all([
    execute(trx, CREATE_ACCOUNTS, { names: distinct }),
    select(trx, BalanceRow, LOCK_ACCOUNTS, { names: distinct }),
  ])
  return asMap(rows)
}

/** Without a lock, for display; an account that never moved has 0. */
export async function balanceOf(trx: Executor, name: AccountName): Promise<MilliCredit> {
  return (await balancesOf(trx, [name])).get(name) ?? 0
}

/** Without locks, for display; accounts that never moved are missing. */
export async function balancesOf(
  trx: Executor,
  names: readonly AccountName[],
): Promise<ReadonlyMap<AccountName, MilliCredit>> {
  return asMap(await select(trx, BalanceRow, READ_ACCOUNTS, { names: [...new Set(names)] }))
}

const MovedRow = z.object({ reservedMilli: z.int(), refundedMilli: z.int() })

/** What was reserved for a campaign, and refunded of it so far; exact while its escrow is locked. */
export const movedOf = (trx: Trx, campaignId: CampaignId): Promise<z.infer<typeof MovedRow>> =>
  selectOne(trx, MovedRow, MOVED, { campaignId })

const LeftoverRow = z.object({ campaignId: CampaignId, userId: UserId })

/** Settled campaigns without an open work unit that have credit of their owner in escrow: it came back after their end. */
export const listLeftovers = (trx: Trx, limit: number): Promise<z.infer<typeof LeftoverRow>[]> =>
  select(trx, LeftoverRow, LEFTOVERS, { limit })

export interface Audit {
  /** Over all accounts, derived from the transfers; zero by construction, so anything else is corruption. */
  readonly sumMilli: MilliCredit
  readonly transfers: number
  /** Accounts whose projected balance is not the sum of their transfers. */
  readonly differences: readonly { account: string; projectedMilli: number; derivedMilli: number }[]
  /** Campaigns for which reserved + overrun + returned is not granted + refunded + balance. */
  readonly campaigns: readonly string[]
  /** Held accounts that do not have what their results which are not final were granted: one was forgotten as it became final, say. */
  readonly held: readonly { account: string; heldMilli: number; openMilli: number }[]
  readonly balanced: boolean
}

/** Derives every balance from the transfers again and compares. Reads one snapshot. */
export async function audit(trx: Executor): Promise<Audit> {
  const differences = await select(trx, DifferenceRow, AUDIT_ACCOUNTS)
  const { transfers, sumMilli } = await selectOne(trx, TotalsRow, TOTALS)
  const campaigns = (await select(trx, z.object({ id: z.string() }), AUDIT_CAMPAIGNS)).map(row => row.id)
  const held = await select(trx, HeldRow, AUDIT_HELD)
  const balanced = sumMilli === 0 && [...differences, ...campaigns, ...held].length === 0
  return { sumMilli, transfers, differences, campaigns, held, balanced }
}

const Account = z.custom<AccountName>(
  value => typeof value === 'string' && /^(mint|forfeit|escrow:.+|(held:)?(user|host):.+)$/.test(value),
)
const BalanceRow = z.object({ name: Account, balance_milli: z.int() })
const DifferenceRow = z.object({ account: z.string(), projectedMilli: z.int(), derivedMilli: z.int() })
const HeldRow = z.object({ account: z.string(), heldMilli: z.int(), openMilli: z.int() })
const TotalsRow = z.object({ transfers: z.int(), sumMilli: z.int() })

const asMap = (rows: readonly z.infer<typeof BalanceRow>[]): ReadonlyMap<AccountName, MilliCredit> =>
  new Map(rows.map(row => [row.name, row.balance_milli]))

// Nearly all exist: to look for them first is three times cheaper than to try each.
const CREATE_ACCOUNTS = `
  insert into accounts (name) select x.name from unnest(:names::text[]) as x (name)
  where not exists (select from accounts a where a.name = x.name) order by x.name = 'mint', x.name
  on conflict do nothing`

const LOCK_ACCOUNTS = `
  select name, balance_milli from accounts where name = any(:names::text[])
  order by name = 'mint', name for update`

const READ_ACCOUNTS = `select name, balance_milli from accounts where name = any(:names::text[])`

// What comes to a held account and leaves it in the same list nets to nothing, and is not written.
const POST = `
  with posted as (
    insert into transfers (key, kind, debit, credit, amount_milli, campaign_id, result_id, grants, reason, created_at)
    select key, kind, debit, credit, amount, campaign_id, result_id, string_to_array(grants, ' '), reason, :now
    from unnest(:keys::text[], :kinds::transfer_kind[], :debits::text[], :credits::text[], :amounts::bigint[],
      :campaignIds::text[], :resultIds::text[], :grants::text[], :reasons::text[])
      as t (key, kind, debit, credit, amount, campaign_id, result_id, grants, reason)
    on conflict (key) do nothing
    returning debit, credit, amount_milli),
  changes as (
    select account, cast(sum(milli) as bigint) as change from (
      select debit as account, -amount_milli as milli from posted
      union all select credit, amount_milli from posted) as m
    group by account having sum(milli) <> 0),
  moved as (
    update accounts set balance_milli = balance_milli + change from changes where name = account)
  select cast(count(*) as int) as posted from posted`

const LEFTOVERS = `
  select c.id as "campaignId", c.owner_id as "userId"
  from accounts a join campaigns c on a.name = 'escrow:' || c.id
  where a.balance_milli > 0 and c.settled_at is not null
    and not exists (select from live_units u join work_units w on w.id = u.work_unit_id
      where u.campaign_id = c.id and w.state = 'open')
    and (select sum(case t.kind when 'reserve' then t.amount_milli when 'refund' then -t.amount_milli end)
      from transfers t where t.campaign_id = c.id and t.kind in ('reserve', 'refund')) > 0
  order by c.id limit :limit`

// The projection moves in the transaction that inserts, so within one snapshot the two must agree.
const AUDIT_ACCOUNTS = `
  with derived as (
    select account, sum(amount)::bigint as balance from (
      select debit as account, -amount_milli as amount from transfers
      union all select credit, amount_milli from transfers) as t
    group by account)
  select coalesce(a.name, d.account) as account, coalesce(a.balance_milli, 0) as "projectedMilli",
    coalesce(d.balance, 0) as "derivedMilli"
  from accounts a full join derived d on d.account = a.name
  where a.name is null or a.balance_milli <> coalesce(d.balance, 0) order by 1`

const AUDIT_CAMPAIGNS = `
  with moved as (
    select campaign_id, sum(case when kind in ('reserve', 'overrun', 'forfeit', 'repay') then amount_milli
      when kind in ('grant', 'refund') then -amount_milli else 0 end) as rest
    from transfers where campaign_id is not null group by campaign_id)
  select c.id from campaigns c join accounts a on a.name = 'escrow:' || c.id left join moved m on m.campaign_id = c.id
  where coalesce(m.rest, 0) <> a.balance_milli order by 1`

const HELD = `case when h.user_id is null then 'held:host:' || h.id else 'held:user:' || h.user_id end`

// What is not final stands alone, or is pending again; what waits for another day's overrun is not held yet.
const AUDIT_HELD = `
  with open as (
    select ${HELD} as account, cast(sum(r.granted_milli) as bigint) as milli
    from (select result_id from provisional_results union select result_id from unsettled_results) as o
    join results r on r.id = o.result_id join hosts h on h.id = r.host_id
    where r.granted_milli > 0 and not ${IS_VESTED}
      and not exists (select from deferred_grants d where d.result_id = r.id and d.decision = r.granted_decision)
    group by 1),
  held as (select name, balance_milli from accounts where name like 'held:%' and balance_milli <> 0)
  select coalesce(h.name, o.account) as account, coalesce(h.balance_milli, 0) as "heldMilli", coalesce(o.milli, 0) as "openMilli"
  from held h full join open o on o.account = h.name
  where coalesce(h.balance_milli, 0) <> coalesce(o.milli, 0) order by 1`

const TOTALS = `
  select (select count(*) from transfers) as transfers,
    (select coalesce(sum(balance_milli), 0)::bigint from accounts) as "sumMilli"`

const MOVED = `
  select cast(coalesce(sum(amount_milli) filter (where kind = 'reserve'), 0) as bigint) as "reservedMilli",
    cast(coalesce(sum(amount_milli) filter (where kind = 'refund'), 0) as bigint) as "refundedMilli"
  from transfers where campaign_id = :campaignId and kind in ('reserve', 'refund')`
