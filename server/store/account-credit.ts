import {
  escrowAccount,
  lapse,
  refund,
  refundable,
  reserve,
  STARTER_MS,
  starter,
  starterLimit,
  userAccount,
} from '#domain/ledger.ts'
import {
  addMs,
  type CampaignId,
  type Instant,
  type MilliCredit,
  type TokenId,
  type UserId,
} from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { chargeKey, type KeyFault, returnToKeys } from './keys.ts'
import { lockBalances, movedOf, post } from './ledger.ts'
import { closeStarters, dueStarters, insertStarter, startersToday } from './starters.ts'

// The credit of accounts and campaigns besides what results earn; each in the caller's transaction.

/**
 * Gives a new account its starter, within the limits of its network prefix (null: invited by an operator) and of the
 * day. Anything but `given` changes nothing.
 */
export async function giveStarter(
  trx: Trx,
  {
    userId,
    amountMilli,
    prefix,
    now,
  }: { userId: UserId; amountMilli: MilliCredit; prefix: string | null; now: Instant },
): Promise<'given' | 'given_before' | 'prefix_limit' | 'daily_limit'> {
  await lockBalances(trx, [userAccount(userId), 'mint']) // one at a time, so that the limits hold
  const today = await startersToday(trx, { prefix, now })
  const limit = starterLimit({ ...today, amountMilli })
  if (limit !== 'allowed') return limit
  const lapsesAt = addMs(now, STARTER_MS)
  if (!(await insertStarter(trx, { userId, prefix, amountMilli, now, lapsesAt }))) return 'given_before'
  await post(trx, [starter({ userId, amountMilli })], now)
  return 'given'
}

const STARTERS_PER_SWEEP = 100

/** Takes back what is unspent of starters whose time is over; returns how many it looked at. */
export async function lapseStarters(trx: Trx, now: Instant): Promise<number> {
  const due = await dueStarters(trx, now, STARTERS_PER_SWEEP)
  if (due.length === 0) return 0
  const names = due.map(({ userId }) => userAccount(userId))
  const balances = await lockBalances(trx, names)
  const transfers = due.flatMap(use =>
    lapse({ ...use, balanceMilli: balances.get(userAccount(use.userId)) ?? 0 }),
  )
  await post(trx, transfers, now)
  const closed = due.filter(use => !use.isOpen).map(use => use.userId)
  await closeStarters(trx, closed, now)
  return due.length
}

interface SetAside {
  readonly campaignId: CampaignId
  readonly userId: UserId
  /** The API key that asks for it, out of whose budget it comes as well; null: the account itself. */
  readonly keyId: TokenId | null
  readonly amountMilli: MilliCredit
  readonly revision?: number
  readonly now: Instant
}

/** Why credit was not set aside. */
export type CreditFault = KeyFault | { readonly fault: 'credit'; readonly missingMilli: MilliCredit }

/**
 * Moves credit from an account to the escrow of its campaign, out of the budget of the key that asks. Whatever asks at once, no account
 * and no budget is overspent: both are locked until the end of the transaction. After anything but undefined the caller rolls back.
 */
export async function setAside(
  trx: Trx,
  { keyId, now, ...money }: SetAside,
): Promise<CreditFault | undefined> {
  const account = userAccount(money.userId)
  const balance = (await lockBalances(trx, [account])).get(account) ?? 0
  const { amountMilli } = money
  if (balance < amountMilli) return { fault: 'credit', missingMilli: amountMilli - balance }
  const transfer = reserve(money)
  await post(trx, [transfer], now)
  if (keyId === null) return undefined
  return chargeKey(trx, { keyId, transferKey: transfer.key, amountMilli, now })
}

/** What is left in a campaign's escrow goes back to its owner, as far as it is the owner's; returns how much. */
export async function refundRest(
  trx: Trx,
  { campaignId, userId, now }: { campaignId: CampaignId; userId: UserId; now: Instant },
): Promise<MilliCredit> {
  const escrow = escrowAccount(campaignId)
  const balanceMilli = (await lockBalances(trx, [escrow])).get(escrow) ?? 0
  const moved = await movedOf(trx, campaignId)
  const amountMilli = refundable({ balanceMilli, ...moved })
  if (amountMilli === 0) return 0
  const { refundedMilli } = moved
  await post(trx, [refund({ campaignId, userId, amountMilli, refundedMilli })], now)
  await returnToKeys(trx, { campaignId, amountMilli, refundedMilli })
  return amountMilli
}
