import type { Quote } from '#protocol/campaign.ts'
import type { CampaignId, HostId, MilliCredit, ResultId, UserId } from '#protocol/units.ts'
import { invariant } from './invariant.ts'

// A core executes one to two Gfuel a second, so a core-hour costs 36 to 72 credits, and the smallest useful run
// (a tenth of a second) is still worth a whole milli-credit.
const PRICE_MILLI_PER_GFUEL = 10

/** What a campaign sets aside, on top of its planned results, for those beyond the quorum: late replies and disputes. */
const CHECKING_SHARE = 0.1

// A first campaign of about 20 core-hours without asking anybody.
export const STARTER_MILLI = 1_000_000

export type AccountName = 'mint' | `user:${string}` | `host:${string}` | `escrow:${string}`
type TransferKind = 'starter' | 'reserve' | 'grant' | 'refund' | 'overrun'

/** Moves credit between two accounts. The key makes posting it twice the same as once. */
export interface Transfer {
  readonly key: string
  readonly kind: TransferKind
  readonly debit: AccountName
  readonly credit: AccountName
  readonly amountMilli: MilliCredit
  readonly campaignId: CampaignId | null
  readonly resultId: ResultId | null
  readonly reason: string | null
}

export const userAccount = (id: UserId): AccountName => `user:${id}`
export const escrowAccount = (id: CampaignId): AccountName => `escrow:${id}`

/** Where a host's earnings go: to its user, or to itself while nobody claimed it. */
export function payeeAccount(host: { readonly id: HostId; readonly userId: UserId | null }): AccountName {
  return host.userId === null ? `host:${host.id}` : userAccount(host.userId)
}

/** What `fuel` instructions are worth, in milli-credits, rounded up. Exact for every fuel up to FUEL_MAX. */
export function priceOf(fuel: number, priceMilliPerGfuel: number): MilliCredit {
  const perGfuel = 1_000_000_000n
  return Number((BigInt(fuel) * BigInt(priceMilliPerGfuel) + perGfuel - 1n) / perGfuel)
}

export interface Plan {
  readonly workUnits: number
  readonly fuelMax: number // of one run
  readonly quorum: number
}

/**
 * What a campaign costs at most: every result of every quorum at its full fuel, and the checking share rounded up to a
 * milli-credit.
 */
export function quote(plan: Plan): Omit<Quote, 'experiments'> {
  const { workUnits, fuelMax, quorum } = plan
  const results = workUnits * quorum * priceOf(fuelMax, PRICE_MILLI_PER_GFUEL)
  const reserveMilli = results + Math.ceil(results / Math.round(1 / CHECKING_SHARE))
  invariant(Number.isSafeInteger(reserveMilli), 'a quote is an exact integer')
  return {
    workUnits,
    fuelPlanned: workUnits * quorum * fuelMax,
    priceMilliPerGfuel: PRICE_MILLI_PER_GFUEL,
    checkingShare: CHECKING_SHARE,
    reserveMilli,
  }
}

/** What one valid result earns: its fuel at the campaign's price, never more than was planned for it. */
export function earned(run: { fuelUsed: number; fuelMax: number; priceMilliPerGfuel: number }): MilliCredit {
  return priceOf(Math.min(run.fuelUsed, run.fuelMax), run.priceMilliPerGfuel)
}

/** mint → user, once per account. */
export function starter({ userId, amountMilli }: { userId: UserId; amountMilli: MilliCredit }): Transfer {
  const accounts = { debit: 'mint', credit: userAccount(userId) } as const
  return transfer({ key: `starter:${userId}`, kind: 'starter', ...accounts, amountMilli })
}

interface CampaignMoney {
  readonly campaignId: CampaignId
  readonly userId: UserId
  readonly amountMilli: MilliCredit
}

/** user → escrow, at submission: the exact quote. */
export function reserve({ campaignId, userId, amountMilli }: CampaignMoney): Transfer {
  const accounts = { debit: userAccount(userId), credit: escrowAccount(campaignId) }
  return transfer({ key: `reserve:${campaignId}`, kind: 'reserve', ...accounts, amountMilli, campaignId })
}

/** escrow → payer, once, when nothing can be earned from the campaign any more. */
export function refund({ campaignId, userId, amountMilli }: CampaignMoney): Transfer {
  const accounts = { debit: escrowAccount(campaignId), credit: userAccount(userId) }
  return transfer({ key: `refund:${campaignId}`, kind: 'refund', ...accounts, amountMilli, campaignId })
}

export interface Grant {
  readonly resultId: ResultId
  /** How often the result's verdict had changed before: a verdict is paid once. */
  readonly decision: number
  readonly campaignId: CampaignId
  readonly payee: AccountName
  readonly amountMilli: MilliCredit
}

/**
 * escrow → payee for each grant, and mint → escrow (overrun) for what an escrow lacks: late and disputed results are
 * paid although the campaign planned for fewer. `balances` are those of the escrows, under lock; a missing one is 0.
 */
export function payGrants(
  grants: readonly Grant[],
  balances: ReadonlyMap<AccountName, MilliCredit>,
): Transfer[] {
  const left = new Map(balances)
  return grants.flatMap(({ resultId, decision, campaignId, payee, amountMilli }) => {
    const escrow = escrowAccount(campaignId)
    const lacking = Math.max(0, amountMilli - (left.get(escrow) ?? 0))
    left.set(escrow, (left.get(escrow) ?? 0) + lacking - amountMilli)
    const about = { campaignId, resultId }
    const pay = transfer({
      ...{ key: `grant:${resultId}:${decision}`, kind: 'grant', ...about },
      ...{ debit: escrow, credit: payee, amountMilli },
    })
    if (lacking === 0) return [pay]
    const overrun = transfer({
      ...{ key: `overrun:${resultId}:${decision}`, kind: 'overrun', ...about },
      ...{ debit: 'mint', credit: escrow, amountMilli: lacking, reason: 'results beyond the plan' },
    })
    return [overrun, pay]
  })
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

type TransferFacts = Omit<Transfer, 'campaignId' | 'resultId' | 'reason'> & Partial<Transfer>

function transfer(facts: TransferFacts): Transfer {
  invariant(Number.isSafeInteger(facts.amountMilli), 'credit is whole milli-credits')
  invariant(facts.amountMilli > 0, 'a transfer moves credit')
  return { campaignId: null, resultId: null, reason: null, ...facts }
}
