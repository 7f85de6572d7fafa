import { z } from 'zod'
import { judgeClaim } from '#domain/claim.ts'
import { claim, heldAccount, payeeAccount, userAccount } from '#domain/ledger.ts'
import { HostId, type Instant, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { moveDebts } from './debts.ts'
import { addHostEvents, HostState } from './hosts.ts'
import { lockBalances, post } from './ledger.ts'
import { resultsOf } from './results.ts'
import { execute, select, selectFirst, toDb } from './rows.ts'
import { EXCLUSIONS, exclusionsSince } from './streaks.ts'
import { demandChecks, lockWorkUnits } from './work-units.ts'

interface Claim {
  readonly hostId: HostId
  readonly userId: UserId
  readonly now: Instant
}

export type Claimed =
  | {
      readonly type: 'claimed'
      readonly movedMilli: number
      /** Work units whose agreement is void: they wait for a trusted host. */
      readonly voided: number
      readonly woken: readonly WorkUnitId[]
    }
  | {
      readonly type: 'refused'
      readonly code: 'not_found' | 'host_claimed' | 'host_barred' | 'host_retired'
    }
  /** The host was given work in between: begin again. */
  | { readonly type: 'again' }

/**
 * Gives an anonymous host, its credit and its history to an account. Where this host and others of the account agreed and
 * nobody else did, their agreement is void: the units wait for a trusted host. Locks work units, host, accounts.
 */
export async function claimHost(trx: Trx, { hostId, userId, now }: Claim): Promise<Claimed> {
  const ids = { hostId, userId }
  const locked = (await lockWorkUnits(trx, await unitsOf(trx, OPEN, ids))).map(({ workUnit }) => workUnit.id)
  const host = await selectFirst(trx, ClaimedHost, LOCK_HOST, {
    hostId,
    exclusionsSince: exclusionsSince(now),
  })
  if (host === undefined) return { type: 'refused', code: 'not_found' }
  const judged = judgeClaim(host, userId)
  if (judged === 'already') return { type: 'claimed', movedMilli: 0, voided: 0, woken: [] }
  if (judged !== 'claim') return { type: 'refused', code: judged }
  const open = await unitsOf(trx, OPEN, ids)
  if (open.some(id => !locked.includes(id))) return { type: 'again' }
  const shared = await unitsOf(trx, SHARED, ids)
  await demandChecks(
    trx,
    shared.map(id => ({ id, demand: 'disagreement' })),
  )
  const ownerKey = `user:${userId}`
  await execute(trx, OWN, { ...ids, ownerKey })
  await execute(trx, RENAME_RESULTS, { hostId, ownerKey, open })
  const agreed = await unitsOf(trx, `${JOINT} limit ${COUNTED_MAX}`, { hostId })
  if (agreed.length > 0) await execute(trx, JOIN, { hostId, now: toDb(now) })
  // An account has a clean name: a streak that was short of what its owner's exclusions ask for must not become enough by it.
  if (agreed.length > 0 || host.exclusions > 0) await execute(trx, END_STREAK, { hostId })
  await execute(trx, RENAME_EXCLUSIONS, { hostId, ownerKey })
  const movedMilli = await moveCredit(trx, ids, now)
  await addHostEvents(trx, [{ hostId, event: 'claimed', detail: userId }], now)
  return { type: 'claimed', movedMilli, voided: shared.length + agreed.length, woken: shared }
}

// The units themselves are opened batch by batch afterwards; here they are only counted.
const COUNTED_MAX = 1_000

const UnitRow = z.object({ id: WorkUnitId })
const IdRow = z.object({ id: HostId })

const unitsOf = async (
  trx: Trx,
  sql: string,
  ids: Pick<Claim, 'hostId'> & Partial<Claim>,
): Promise<WorkUnitId[]> =>
  (await select(trx, UnitRow, sql, { hostId: ids.hostId, userId: ids.userId ?? null })).map(({ id }) => id)

async function moveCredit(
  trx: Trx,
  { hostId, userId }: Pick<Claim, 'hostId' | 'userId'>,
  now: Instant,
): Promise<number> {
  const from = payeeAccount({ id: hostId, userId: null })
  const to = userAccount(userId)
  const balances = await lockBalances(trx, [from, heldAccount(from), to, heldAccount(to)])
  const transfers = claim({ hostId, userId }, balances)
  await post(trx, transfers, now)
  await moveDebts(trx, { from, to })
  return transfers.reduce((sum, { amountMilli }) => sum + amountMilli, 0)
}

const ClaimedHost = z.object({
  userId: UserId.nullable(),
  state: HostState,
  trusted: z.boolean(),
  isPursued: z.boolean(),
  exclusions: z.int(),
})

// Pursued: another host of its owner was excluded a moment ago, and nobody has paused this one yet.
const LOCK_HOST = `
  select user_id as "userId", state, trusted, ${EXCLUSIONS} as exclusions,
    exists (select from exclusions x
      where x.owner_key = hosts.owner_key and x.spread_at is null and x.lifted_at is null) as "isPursued"
  from hosts where id = :hostId for no key update`

// In any state but unsent: who holds one may still report.
const OPEN = `
  select distinct w.id from ${resultsOf(':hostId')} r join work_units w on w.id = r.work_unit_id
  where w.state = 'open' order by w.id`

// Both have, or had, a result of an open unit. It will be settled by a trusted host.
const SHARED = `
  select distinct w.id from ${resultsOf(':hostId')} r join work_units w on w.id = r.work_unit_id
  where w.state = 'open' and not w.disputed and exists (
    select from results o join hosts h on h.id = o.host_id
    where o.work_unit_id = w.id and o.id <> r.id and h.user_id = :userId and not o.trusted)
  order by w.id`

// Valid results of one account, several of them, and of nobody else.
const JOINT = `
  select w.id from results r join work_units w on w.id = r.work_unit_id join hosts me on me.id = r.host_id
  where r.host_id = :hostId and r.state = 'over' and r.verdict = 'valid' and w.state = 'valid' and exists (
    select from results o join hosts h on h.id = o.host_id
    where o.work_unit_id = w.id and o.id <> r.id and o.verdict = 'valid' and h.user_id = me.user_id)
  and not exists (
    select from results o join hosts h on h.id = o.host_id
    where o.work_unit_id = w.id and o.verdict = 'valid' and (o.trusted or h.user_id is distinct from me.user_id))
  order by w.id`

// They may have confirmed each other: what that was worth is not told apart from the rest.
const END_STREAK = `
  update streaks set count = 0, fuel = 0 where host_id = :hostId`
const RENAME_EXCLUSIONS = `update exclusions set owner_key = :ownerKey where host_id = :hostId`
const JOIN = `update hosts set joined_at = :now where id = :hostId`
const JOINED = `select id from hosts where joined_at is not null order by joined_at limit :limit`
const PART = `update hosts set joined_at = null where id = :hostId and joined_at is not null`
const STILL_JOINED = `select id from hosts where id = :hostId and joined_at is not null`
const VALID_RESULTS = `
  select id from results where work_unit_id = any(:ids) and verdict in ('valid', 'inconclusive') and not trusted`

/** Units on whose answer only hosts of this host's account agreed, if it was claimed and nobody looked since. */
export async function listJoint(trx: Trx, hostId: HostId, limit: number): Promise<WorkUnitId[]> {
  if ((await select(trx, IdRow, STILL_JOINED, { hostId })).length === 0) return []
  return (await select(trx, UnitRow, `${JOINT} limit :limit`, { hostId, limit })).map(({ id }) => id)
}

/** Claimed hosts whose joint work was not looked at yet. */
export const listJoined = async (trx: Trx, limit: number): Promise<HostId[]> =>
  (await select(trx, IdRow, JOINED, { limit })).map(({ id }) => id)

/** All joint work of a claimed host is open again. */
export const partHost = (trx: Trx, hostId: HostId): Promise<number> => execute(trx, PART, { hostId })

/** The results of locked units that were judged before, all of strangers. */
export const judgedResultsOf = async (trx: Trx, ids: readonly WorkUnitId[]): Promise<ResultId[]> =>
  (await select(trx, z.object({ id: ResultId }), VALID_RESULTS, { ids })).map(({ id }) => id)

const OWN = `
  update hosts set user_id = :userId, owner_key = :ownerKey where id = :hostId and user_id is null`

// From now on no other host of the account gets a result of these units. Where one has, there is nothing left to prevent.
const RENAME_RESULTS = `
  update results r set owner_key = :ownerKey
  where r.host_id = :hostId and r.work_unit_id = any(:open) and not exists (
    select from results o where o.work_unit_id = r.work_unit_id and o.owner_key = :ownerKey and not o.trusted)`
