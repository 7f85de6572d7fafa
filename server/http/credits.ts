import { heldAccount, payeeAccount } from '#domain/ledger.ts'
import type { Credit } from '#protocol/credits.ts'
import type { HostId, UserId } from '#protocol/units.ts'
import type { CreditFault } from '#store/account-credit.ts'
import { balancesOf } from '#store/ledger.ts'
import { pendingOf } from '#store/receipts.ts'
import type { Executor } from '#store/rows.ts'
import { Refused } from './problem.ts'

interface Earner {
  readonly id: HostId
  readonly userId: UserId | null
}

/** What these hosts' payees have, what is held for them, and what each host may still earn with what it reported before this transaction. */
export async function readCredits(on: Executor, hosts: readonly Earner[]): Promise<(host: Earner) => Credit> {
  const payees = hosts.map(payeeAccount)
  const [balances, pending] = await Promise.all([
    balancesOf(on, [...payees, ...payees.map(heldAccount)]),
    pendingOf(
      on,
      hosts.map(host => host.id),
    ),
  ])
  return host => {
    const payee = payeeAccount(host)
    return {
      balanceMilli: balances.get(payee) ?? 0,
      heldMilli: balances.get(heldAccount(payee)) ?? 0,
      pendingMilli: pending.get(host.id) ?? 0,
    }
  }
}

/** Refuses what an account, or the budget of an API key, does not pay for. */
export function refuseCredit(fault: CreditFault): never {
  if (fault.fault === 'key_over') throw new Refused('token_expired', 'the API key has ended')
  const { missingMilli } = fault
  const detail = `${missingMilli / 1000} credits are missing`
  if (fault.fault === 'credit') throw new Refused('insufficient_credit', detail, { missingMilli })
  throw new Refused('budget_exceeded', `${detail} in the budget of the API key`, { missingMilli })
}
