import { z } from 'zod'
import { EngineClass } from '#protocol/engine.ts'
import { CampaignId, HostId, ResultId, type UserId } from '#protocol/units.ts'
import { isNamed } from './blocks.ts'
import { IS_OLDER, IS_PROVISIONAL } from './provisional.ts'
import { type Executor, select, selectFirst, selectOne, Timestamp } from './rows.ts'

const PaidRow = z.object({
  resultId: ResultId,
  campaignId: CampaignId,
  published: z.boolean(),
  verdict: z.enum(['pending', 'valid', 'invalid', 'inconclusive']).nullable(),
  fuelUsed: z.int().nullable(),
  fuelMax: z.int(),
  priceMilliPerGfuel: z.int(),
  engineClass: EngineClass,
  per: z.enum(['Gfuel', 'GFLOP']),
  trusted: z.boolean(),
  hasTrustedEqual: z.boolean(),
  hasEqual: z.boolean(),
})
export type PaidRow = z.infer<typeof PaidRow>

/** What a receipt says of a result besides its transfers. */
export const findPaid = (on: Executor, id: ResultId): Promise<PaidRow | undefined> =>
  selectFirst(on, PaidRow, PAID, { id })

const EntryRow = z.object({
  id: z.int(),
  key: z.string(),
  kind: z.string(),
  debit: z.string(),
  credit: z.string(),
  amountMilli: z.int(),
  campaignId: CampaignId.nullable(),
  resultId: ResultId.nullable(),
  grants: z.array(z.string()).nullable(),
  reason: z.string().nullable(),
  createdAt: Timestamp,
  block: z.int().nullable(), // null: not sealed yet
})
export type EntryRow = z.infer<typeof EntryRow>

/** The transfers about a result, oldest first, with the blocks that have them. */
export const transfersOfResult = (on: Executor, id: ResultId): Promise<EntryRow[]> =>
  select(on, EntryRow, TRANSFERS_OF_RESULT, { id })

/** The last transfers from or to these accounts, newest first; of those before the one with this id, if it is given. */
export const lastEntries = (
  on: Executor,
  { before = null, ...of }: { accounts: readonly string[]; limit: number; before?: number | null },
): Promise<EntryRow[]> =>
  select(on, EntryRow, LAST_ENTRIES, { ...of, before: before ?? Number.MAX_SAFE_INTEGER })

const PendingRow = z.object({ hostId: HostId, milli: z.int() })

/** What each of these hosts may still earn with what it reported before this transaction, as `earned` counts it; none: missing. */
export async function pendingOf(
  on: Executor,
  hostIds: readonly HostId[],
): Promise<ReadonlyMap<HostId, number>> {
  if (hostIds.length === 0) return new Map()
  const rows = await select(on, PendingRow, PENDING, { hostIds })
  return new Map(rows.map(row => [row.hostId, row.milli]))
}

/** The same of all hosts of a user together. */
export const pendingOfUser = async (on: Executor, userId: UserId): Promise<number> =>
  (await selectOne(on, z.object({ milli: z.int() }), PENDING_OF_USER, { userId })).milli

/** What a user set aside for campaigns and is not settled yet. */
export const reservedOf = async (on: Executor, userId: UserId): Promise<number> =>
  (await selectOne(on, z.object({ milli: z.int() }), RESERVED, { userId })).milli

const RESERVED = `
  select cast(coalesce(sum(a.balance_milli), 0) as bigint) as milli
  from campaigns c join accounts a on a.name = 'escrow:' || c.id where c.owner_id = :userId and c.settled_at is null`

const PAID = `
  select r.id as "resultId", w.campaign_id as "campaignId", w.published_at is not null as published, r.verdict,
    coalesce(r.work, r.fuel_used) as "fuelUsed", coalesce(w.flops, w.fuel_max) as "fuelMax",
    coalesce(w.price_milli, c.price_milli_per_gfuel) as "priceMilliPerGfuel", w.engine_class as "engineClass",
    case when w.flops is null then 'Gfuel' else 'GFLOP' end as per, r.trusted,
    coalesce(bool_or(o.trusted), false) as "hasTrustedEqual", count(o.id) > 0 as "hasEqual"
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  left join results o on o.work_unit_id = w.id and o.id <> r.id and o.verdict = 'valid'
  where r.id = :id group by r.id, w.id, c.id`

const ENTRY = `
  t.id, t.key, cast(t.kind as text) as kind, t.debit, t.credit, t.amount_milli as "amountMilli",
  t.campaign_id as "campaignId", t.result_id as "resultId", t.grants, t.reason, t.created_at as "createdAt",
  (select min(b.number) from blocks b where ${isNamed('t.id')}) as block`

// Grants, and what became of them, by their keys, one for each decision: a vest has that of its first grant, or of its only one before it named
// any. Others are looked for among what left the held account, which a claim may have changed, until it is found or was taken back.
const TRANSFERS_OF_RESULT = `
  with given as (
    select g.id, g.credit as account, x.name, v.id as vest_id, b.id as back_id
    from results r cross join lateral generate_series(0, r.decision) as n (decision)
    cross join lateral (select r.id || ':' || n.decision as name) as x
    join transfers g on g.key = 'grant:' || x.name
    left join transfers v on v.key = 'vest:' || x.name left join transfers b on b.key = 'reverse:' || x.name
    where r.id = :id),
  sought as (
    select g.* from given g join results r on r.id = :id
    where g.vest_id is null and not (${IS_PROVISIONAL} and g.name is not distinct from r.id || ':' || r.granted_decision)),
  held as (
    select id, back_id, name, account from sought
    union all
    select s.id, s.back_id, s.name, c.credit from sought s
    join transfers c on c.key = 'claim:' || substring(s.account from '^held:host:(.*)$') || ':held'),
  about as (
    select unnest(array[id, vest_id]) as id from given
    union select v.id from held h cross join lateral (
      select t.id from transfers t where t.debit = h.account and t.debit not like 'escrow:%' and t.id > h.id
        and t.id < coalesce(h.back_id, 9223372036854775807) and h.name = any(t.grants) order by t.id limit 1) as v
    union select id from transfers where result_id = :id and kind not in ('grant', 'vest'))
  select ${ENTRY} from about join transfers t on t.id = about.id order by t.id`

// Two walks of an index each, instead of one over all transfers. That of debits has no escrows, and is named by saying so.
const LAST_ENTRIES = `
  select ${ENTRY} from (
    (select * from transfers where debit = any(:accounts) and debit not like 'escrow:%' and id < :before order by id desc limit :limit)
    union
    (select * from transfers where credit = any(:accounts) and id < :before order by id desc limit :limit)) as t
  order by t.id desc limit :limit`

const EARNING = `ceil(least(coalesce(r.work, r.fuel_used), coalesce(w.flops, w.fuel_max))
  * cast(coalesce(w.price_milli, c.price_milli_per_gfuel) as numeric) / 1000000000)`

const PENDING = `
  select r.host_id as "hostId", cast(sum(${EARNING}) as bigint) as milli
  from unsettled_results u join results r on r.id = u.result_id
  join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  where u.host_id = any(:hostIds) and ${IS_OLDER} and r.verdict = 'pending' and not r.trusted group by r.host_id`

const PENDING_OF_USER = `
  select cast(coalesce(sum(${EARNING}), 0) as bigint) as milli
  from hosts h join unsettled_results u on u.host_id = h.id join results r on r.id = u.result_id
  join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  where h.user_id = :userId and r.verdict = 'pending' and not r.trusted`
