import { invariant } from '#domain/invariant.ts'
import type { AccountName, Transfer } from '#domain/ledger.ts'
import type { MilliCredit, ResultId } from '#protocol/units.ts'

/** Balances as the projection in the database has them, and what each result earned and lost. */
export interface Books {
  readonly balances: ReadonlyMap<AccountName, MilliCredit>
  readonly pay: ReadonlyMap<ResultId, Pay>
  /** Posts transfers; throws when an account but `mint` would fall below zero. */
  post(transfers: readonly Transfer[]): void
}

export interface Pay {
  grantedMilli: MilliCredit
  reversedMilli: MilliCredit
}

export function openBooks(): Books {
  const balances = new Map<AccountName, MilliCredit>()
  const pay = new Map<ResultId, Pay>()
  const move = (account: AccountName, milli: MilliCredit): void => {
    const after = (balances.get(account) ?? 0) + milli
    invariant(account === 'mint' || after >= 0, `no account but mint falls below zero: ${account}`)
    balances.set(account, after)
  }
  const remember = (resultId: ResultId, granted: MilliCredit, reversed: MilliCredit): void => {
    const known = pay.get(resultId)
    if (known === undefined) pay.set(resultId, { grantedMilli: granted, reversedMilli: reversed })
    else {
      known.grantedMilli += granted
      known.reversedMilli += reversed
    }
  }
  return {
    balances,
    pay,
    post: transfers => {
      for (const { debit, credit, amountMilli, kind, resultId } of transfers) {
        move(debit, -amountMilli)
        move(credit, amountMilli)
        if (resultId === null) continue
        if (kind === 'grant') remember(resultId, amountMilli, 0)
        if (kind === 'reverse') remember(resultId, 0, amountMilli)
      }
    },
  }
}
