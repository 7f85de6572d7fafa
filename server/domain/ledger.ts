import type { CampaignId, HostId, MilliCredit, ResultId, UserId } from '#protocol/units.ts'
import { invariant } from './invariant.ts'

// The transfers, a closed list (DESIGN §9). Here are those of accounts and campaigns; what results earn is in grants.ts.

/** Who earns: a user, or a host while nobody claimed it. */
export type Payee = `user:${string}` | `host:${string}`
/** `held:` is earned and not final yet; `forfeit` is taken back and not given on yet; all credit comes from `mint`. */
export type AccountName = 'mint' | 'forfeit' | Payee | `held:${Payee}` | `escrow:${string}`

export const TRANSFER_KINDS = [
  ...(['starter', 'lapse', 'claim', 'correction'] as const), // of accounts
  ...(['reserve', 'refund', 'overrun'] as const), // of campaigns
  ...(['grant', 'vest', 'reverse', 'forfeit', 'restore', 'repay'] as const), // of results
] as const
export type TransferKind = (typeof TRANSFER_KINDS)[number]

/** Moves credit between two accounts. The key makes posting it twice the same as once. */
export interface Transfer {
  readonly key: string
  readonly kind: TransferKind
  readonly debit: AccountName
  readonly credit: AccountName
  readonly amountMilli: MilliCredit
  readonly campaignId: CampaignId | null
  readonly resultId: ResultId | null
  /** Of a vest: the grants that it makes final, each as `result:decision`, the end of its key. */
  readonly grants: readonly string[] | null
  readonly reason: string | null
}

export const userAccount = (id: UserId): Payee => `user:${id}`
export const escrowAccount = (id: CampaignId): AccountName => `escrow:${id}`
export const heldAccount = (payee: Payee): AccountName => `held:${payee}`

/** Where a host's earnings go: to its user, or to itself while nobody claimed it. */
export function payeeAccount(host: { readonly id: HostId; readonly userId: UserId | null }): Payee {
  return host.userId === null ? `host:${host.id}` : userAccount(host.userId)
}

// A first campaign of about 20 core-hours without asking anybody.
export const STARTER_MILLI = 1_000_000
const STARTER_DAYS = 90
export const STARTER_MS = STARTER_DAYS * 24 * 3600_000
// A household or a class behind one address; more accounts from there on one day are somebody farming.
const STARTERS_PER_PREFIX_MAX = 3
// A thousand newcomers a day: what the mint can lose to sign-ups, however many there are.
const STARTERS_DAILY_MILLI = 1_000 * STARTER_MILLI

/** Whether a new account may still get this starter today; `ofPrefix` counts those of its network prefix, if known. */
export function starterLimit(today: {
  readonly givenMilli: MilliCredit
  readonly ofPrefix: number
  readonly amountMilli: MilliCredit
}): 'allowed' | 'prefix_limit' | 'daily_limit' {
  if (today.ofPrefix >= STARTERS_PER_PREFIX_MAX) return 'prefix_limit'
  return today.givenMilli + today.amountMilli > STARTERS_DAILY_MILLI ? 'daily_limit' : 'allowed'
}

interface AccountMoney {
  readonly userId: UserId
  readonly amountMilli: MilliCredit
}

/** mint → user, once per account. */
export function starter({ userId, amountMilli }: AccountMoney): Transfer {
  const accounts = { debit: 'mint', credit: userAccount(userId) } as const
  return transfer({ key: `starter:${userId}`, kind: 'starter', ...accounts, amountMilli })
}

interface StarterUse {
  readonly userId: UserId
  readonly starterMilli: MilliCredit
  /** What lapsed of it before. */
  readonly lapsedMilli: MilliCredit
  /** Reserved, less refunded, by campaigns submitted before it lapsed: a starter is spent before what was earned. */
  readonly spentMilli: MilliCredit
  readonly balanceMilli: MilliCredit
}

/** user → mint: what is unspent of a starter after its 90 days. Once more when a refund brings some of it back. */
export function lapse({
  userId,
  starterMilli,
  lapsedMilli,
  spentMilli,
  balanceMilli,
}: StarterUse): Transfer[] {
  const unspent = starterMilli - lapsedMilli - Math.max(0, spentMilli)
  const amountMilli = Math.min(unspent, balanceMilli)
  if (amountMilli <= 0) return []
  const accounts = { debit: userAccount(userId), credit: 'mint' } as const
  const reason = `starter credit lapses after ${STARTER_DAYS} days`
  return [
    transfer({ key: `lapse:${userId}:${lapsedMilli}`, kind: 'lapse', ...accounts, amountMilli, reason }),
  ]
}

/** anonymous host → user, held credit as well, when the host is claimed. */
export function claim(
  { hostId, userId }: { hostId: HostId; userId: UserId },
  balances: ReadonlyMap<AccountName, MilliCredit>,
): Transfer[] {
  const [from, to] = [payeeAccount({ id: hostId, userId: null }), userAccount(userId)]
  const moves = [
    { key: `claim:${hostId}`, debit: from, credit: to },
    { key: `claim:${hostId}:held`, debit: heldAccount(from), credit: heldAccount(to) },
  ] as const
  return moves.flatMap(move => {
    const amountMilli = balances.get(move.debit) ?? 0
    return amountMilli === 0 ? [] : [transfer({ ...move, kind: 'claim', amountMilli })]
  })
}

interface Correction {
  readonly id: string // makes repeating it harmless
  readonly account: Payee | 'forfeit'
  readonly amountMilli: MilliCredit // negative: taken from the account
  readonly reason: string
}

/** mint → account, or account → mint, by an operator, with a reason that everybody can read. */
export function correction({ id, account, amountMilli, reason }: Correction): Transfer {
  const accounts =
    amountMilli > 0
      ? ({ debit: 'mint', credit: account } as const)
      : ({ debit: account, credit: 'mint' } as const)
  invariant(reason !== '', 'a correction has a reason')
  const facts = { amountMilli: Math.abs(amountMilli), reason }
  return transfer({ key: `correction:${id}`, kind: 'correction', ...accounts, ...facts })
}

interface CampaignMoney extends AccountMoney {
  readonly campaignId: CampaignId
}

/** user → escrow, at submission: the exact quote. */
export function reserve({
  campaignId,
  userId,
  amountMilli,
  revision = 1,
}: CampaignMoney & { readonly revision?: number }): Transfer {
  const accounts = { debit: userAccount(userId), credit: escrowAccount(campaignId) }
  const key = revision === 1 ? `reserve:${campaignId}` : `reserve:${campaignId}:${revision}`
  return transfer({ key, kind: 'reserve', ...accounts, amountMilli, campaignId })
}

/**
 * What of an escrow is its payer's: never more than was set aside. What was overrun and then taken back came from the mint: it
 * stays, and pays what may still be earned.
 */
export const refundable = (escrow: {
  readonly balanceMilli: MilliCredit
  readonly reservedMilli: MilliCredit
  readonly refundedMilli: MilliCredit
}): MilliCredit => Math.max(0, Math.min(escrow.balanceMilli, escrow.reservedMilli - escrow.refundedMilli))

/**
 * escrow → payer, when nothing can be earned from the campaign any more, and again when credit comes back to it later.
 * `refundedMilli` is what was refunded before.
 */
export function refund(money: CampaignMoney & { readonly refundedMilli: MilliCredit }): Transfer {
  const { campaignId, userId, amountMilli, refundedMilli } = money
  const accounts = { debit: escrowAccount(campaignId), credit: userAccount(userId) }
  const key = refundedMilli === 0 ? `refund:${campaignId}` : `refund:${campaignId}:${refundedMilli}`
  return transfer({ key, kind: 'refund', ...accounts, amountMilli, campaignId })
}

/** By how much each account changes, milli-credits; accounts that end where they began are left out. Sums to zero. */
export function netChanges(
  transfers: readonly Pick<Transfer, 'debit' | 'credit' | 'amountMilli'>[],
): ReadonlyMap<AccountName, MilliCredit> {
  const changes = new Map<AccountName, MilliCredit>()
  for (const { debit, credit, amountMilli } of transfers) {
    changes.set(debit, (changes.get(debit) ?? 0) - amountMilli)
    changes.set(credit, (changes.get(credit) ?? 0) + amountMilli)
  }
  return new Map([...changes].filter(([, change]) => change !== 0))
}

type TransferFacts = Omit<Transfer, 'campaignId' | 'resultId' | 'grants' | 'reason'> & Partial<Transfer>

/** A checked transfer; whatever is not given is null. */
export function transfer(facts: TransferFacts): Transfer {
  invariant(Number.isSafeInteger(facts.amountMilli), 'credit is whole milli-credits')
  invariant(facts.amountMilli > 0, 'a transfer moves credit')
  return { campaignId: null, resultId: null, grants: null, reason: null, ...facts }
}
