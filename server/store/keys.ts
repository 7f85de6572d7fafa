import { z } from 'zod'
import { type Charge, returnedTo } from '#domain/keys.ts'
import { KeyScope } from '#protocol/keys.ts'
import {
  type CampaignId,
  type Instant,
  type MilliCredit,
  type Sha256,
  TokenId,
  type UserId,
} from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const KeyRow = z.object({
  id: TokenId,
  label: z.string(),
  scopes: z.array(KeyScope),
  budgetMilli: z.int().nullable(),
  spentMilli: z.int(),
  hostsLeft: z.int().nullable(),
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
})
export type KeyRow = z.infer<typeof KeyRow>

interface NewKeyRow {
  readonly id: TokenId
  readonly userId: UserId
  readonly hash: Sha256
  readonly label: string
  readonly scopes: readonly KeyScope[]
  readonly budgetMilli: MilliCredit | null
  /** Machines that may enrol with it; null: as many as there are. */
  readonly hostsLeft: number | null
  readonly expiresAt: Instant | null
  readonly now: Instant
}

/** Adds a key of an account; false when it has `most` already, and then nothing changes. */
export async function insertKey(trx: Trx, key: NewKeyRow, most: number): Promise<boolean> {
  await select(trx, z.unknown(), LOCK_USER, { userId: key.userId }) // of two at once, one counts the other
  const { keys } = await selectOne(trx, z.object({ keys: z.int() }), COUNT, { userId: key.userId })
  if (keys >= most) return false
  const { expiresAt, now } = key
  await execute(trx, INSERT, { ...key, expiresAt: toDb(expiresAt), now: toDb(now) })
  return true
}

/** The keys of an account, newest first. */
export const listKeys = (on: Executor, userId: UserId): Promise<KeyRow[]> =>
  select(on, KeyRow, `${SELECT} where user_id = :userId and is_key order by id desc`, { userId })

export const findKey = (on: Executor, id: TokenId): Promise<KeyRow | undefined> =>
  selectFirst(on, KeyRow, `${SELECT} where id = :id and is_key`, { id })

/** Ends a key of this account; the row afterwards, undefined when there is no such key. Ended twice it is ended once. */
export async function revokeKey(
  on: Executor,
  { id, userId, now }: { id: TokenId; userId: UserId; now: Instant },
): Promise<KeyRow | undefined> {
  return selectFirst(on, KeyRow, REVOKE, { id, userId, now: toDb(now) })
}

/** Takes one of the machines that may still enrol with a key that bounds them; false when none is left. Rolls back with the enrolment. */
export const takeHostOfKey = async (trx: Trx, id: TokenId): Promise<boolean> =>
  (await execute(trx, TAKE_HOST, { id })) === 1

/** What stood in the way of charging a key. */
export type KeyFault =
  | { readonly fault: 'key_over' }
  | { readonly fault: 'budget'; readonly missingMilli: MilliCredit }

/**
 * Takes an amount from the budget of a key, which is locked until the end of the transaction: after the account that pays. Anything
 * but undefined changes nothing.
 */
export async function chargeKey(
  trx: Trx,
  {
    keyId,
    transferKey,
    amountMilli,
    now,
  }: { keyId: TokenId; transferKey: string; amountMilli: MilliCredit; now: Instant },
): Promise<KeyFault | undefined> {
  const key = await selectFirst(trx, KeyRow, `${SELECT} where id = :keyId and is_key for no key update`, {
    keyId,
  })
  if (key === undefined || key.revokedAt !== null || (key.expiresAt !== null && key.expiresAt <= now))
    return { fault: 'key_over' }
  if (key.budgetMilli !== null && key.spentMilli + amountMilli > key.budgetMilli)
    return { fault: 'budget', missingMilli: key.spentMilli + amountMilli - key.budgetMilli }
  await execute(trx, SPEND, { ids: [keyId], amounts: [amountMilli] })
  await execute(trx, ADD_CHARGE, { keyId, transferKey })
  return undefined
}

/** Gives what a campaign refunds back to the budgets of the keys that set it aside; the campaign's escrow is locked. */
export async function returnToKeys(
  trx: Trx,
  { campaignId, ...refund }: { campaignId: CampaignId; amountMilli: MilliCredit; refundedMilli: MilliCredit },
): Promise<void> {
  const returned = [...returnedTo(await select(trx, ChargeRow, CHARGES, { campaignId }), refund)]
  if (returned.length === 0) return
  await select(trx, z.unknown(), LOCK_KEYS, { ids: column(returned, ([id]) => id) })
  await execute(trx, SPEND, {
    ids: column(returned, ([id]) => id),
    amounts: column(returned, ([, milli]) => -milli),
  })
}

const ChargeRow: z.ZodType<Charge> = z.object({ tokenId: TokenId.nullable(), amountMilli: z.int() })

const COLUMNS = `
  id, label, cast(scopes as text[]) as scopes, budget_milli as "budgetMilli", spent_milli as "spentMilli", hosts_left as "hostsLeft",
  created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt"`

const SELECT = `select ${COLUMNS} from tokens`

const LOCK_USER = `select from users where id = :userId and deleted_at is null for no key update`

const COUNT = `select count(*) as keys from tokens where user_id = :userId and is_key`

const INSERT = `
  insert into tokens (id, user_id, hash, scopes, label, created_at, expires_at, is_key, budget_milli, hosts_left)
  values (:id, :userId, :hash, cast(cast(:scopes as text[]) as scope[]), :label, :now, :expiresAt, true, :budgetMilli, :hostsLeft)`

const REVOKE = `
  update tokens set revoked_at = coalesce(revoked_at, :now) where id = :id and user_id = :userId and is_key
  returning ${COLUMNS}`

const TAKE_HOST = `update tokens set hosts_left = hosts_left - 1 where id = :id and hosts_left > 0`

const LOCK_KEYS = `select from tokens where id = any(:ids) order by id for no key update`

const SPEND = `
  update tokens set spent_milli = spent_milli + c.amount
  from unnest(cast(:ids as text[]), cast(:amounts as bigint[])) as c (token_id, amount) where id = c.token_id`

const ADD_CHARGE = `insert into key_charges (transfer_key, token_id) values (:transferKey, :keyId)`

const CHARGES = `
  select k.token_id as "tokenId", t.amount_milli as "amountMilli"
  from transfers t left join key_charges k on k.transfer_key = t.key
  where t.campaign_id = :campaignId and t.kind = 'reserve' order by t.id`
