import { type Grant, payGrants, reverseGrants, type StandingGrant, vest } from '#domain/grants.ts'
import { type AccountName, escrowAccount, heldAccount } from '#domain/ledger.ts'
import type { MilliCredit, ResultId } from '#protocol/units.ts'
import type { State } from './state.ts'

/** What verdicts do to credit, as the validator posts it. */
export interface Payday {
  readonly grants?: readonly Grant[]
  readonly vestNow?: ReadonlySet<ResultId>
  readonly vests?: readonly Grant[]
  readonly reversals?: readonly StandingGrant[]
  readonly to?: 'escrow' | 'forfeit'
}

export function pay(state: State, payday: Payday): void {
  const { grants = [], vestNow = new Set(), vests = [], reversals = [], to = 'escrow' } = payday
  if (grants.length === 0 && vests.length === 0 && reversals.length === 0) return
  const balances = balancesOf(state, [...grants, ...vests, ...reversals])
  const paid = payGrants(grants, balances, { vestNow, overrunLeftMilli: Number.MAX_SAFE_INTEGER })
  const taken = reverseGrants(reversals, { to }, balances)
  state.books.post([...paid.transfers, ...vest(vests), ...taken.transfers])
}

/** Only of those that move: the books are long. */
function balancesOf({ books }: State, moved: readonly Grant[]): Map<AccountName, MilliCredit> {
  const accounts = moved.flatMap(({ campaignId, payee }) => [
    ...[escrowAccount(campaignId), payee, heldAccount(payee)],
  ])
  return new Map(accounts.map(account => [account, books.balances.get(account) ?? 0]))
}
