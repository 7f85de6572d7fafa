import { heldAccount, payeeAccount } from '#domain/ledger.ts'
import type { Credit } from '#protocol/credits.ts'
import type { HostId, UserId } from '#protocol/units.ts'
import { balancesOf } from '#store/ledger.ts'
import { pendingOf } from '#store/receipts.ts'
import type { Executor } from '#store/rows.ts'

interface Earner {
  readonly id: HostId
  readonly userId: UserId | null
}

/** What these hosts' payees have, what is held for them, and what each host may still earn with what it reported. */
export async function readCredits(on: Executor, hosts: readonly Earner[]): Promise<(host: Earner) => Credit> {
  const payees = hosts.map(payeeAccount)
  const balances = await balancesOf(on, [...payees, ...payees.map(heldAccount)])
  const pending = await pendingOf(
    on,
    hosts.map(host => host.id),
  )
  return host => {
    const payee = payeeAccount(host)
    return {
      balanceMilli: balances.get(payee) ?? 0,
      heldMilli: balances.get(heldAccount(payee)) ?? 0,
      pendingMilli: pending.get(host.id) ?? 0,
    }
  }
}
