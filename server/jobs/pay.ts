import { type Grant, payGrants, reverseGrants, type StandingGrant, vest } from '#domain/grants.ts'
import { invariant } from '#domain/invariant.ts'
import { escrowAccount, heldAccount } from '#domain/ledger.ts'
import type { Instant, ResultId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { lockBalances, post } from '#store/ledger.ts'

/** What verdicts do to credit. Everything that judging pays or takes back goes through here, once per transaction. */
export interface Payday {
  readonly grants?: readonly Grant[]
  /** Of the grants, those that are final at once. */
  readonly vestNow?: ReadonlySet<ResultId>
  /** Held until now, final from now on. */
  readonly vests?: readonly Grant[]
  readonly reversals?: readonly StandingGrant[]
  /** Back to the campaign; or kept apart until the appeal of a host that cheated is over. */
  readonly to?: 'escrow' | 'forfeit'
}

/** Locks the accounts, which come last in the order of locks, and moves the credit. */
export async function pay(trx: Trx, payday: Payday, now: Instant): Promise<void> {
  const { grants = [], vestNow = new Set(), vests = [], reversals = [], to = 'escrow' } = payday
  const moved = [...grants, ...vests, ...reversals]
  if (moved.length === 0) return
  const accounts = moved.flatMap(({ campaignId, payee }) => [
    ...[escrowAccount(campaignId), payee, heldAccount(payee)],
  ])
  const balances = await lockBalances(trx, accounts)
  const paid = payGrants(grants, balances, { vestNow, overrunLeftMilli: Number.MAX_SAFE_INTEGER })
  const taken = reverseGrants(reversals, { to }, balances)
  const transfers = [...paid.transfers, ...vest(vests), ...taken.transfers]
  const posted = await post(trx, transfers, now)
  invariant(posted === transfers.length, 'a verdict is paid once')
}
