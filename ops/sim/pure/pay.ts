import { escrowAccount, type Grant } from '#domain/ledger.ts'
import type { State } from './state.ts'

/** Pays what was earned; what is final already goes on to the payee. */
export function pay(state: State, grants: readonly Grant[], isFinal: (grant: Grant) => boolean): void {
  for (const grant of grants) {
    const { resultId, campaignId, payee, amountMilli } = grant
    const escrow = escrowAccount(campaignId)
    const lacking = Math.max(0, amountMilli - (state.books.balances.get(escrow) ?? 0))
    if (lacking > 0)
      state.books.post([
        { kind: 'overrun', debit: 'mint', credit: escrow, amountMilli: lacking, resultId: null },
      ])
    state.books.post([{ kind: 'grant', debit: escrow, credit: `held:${payee}`, amountMilli, resultId }])
    if (isFinal(grant)) vest(state, [grant])
  }
}

export function vest(state: State, grants: readonly Grant[]): void {
  for (const { resultId, payee, amountMilli } of grants) {
    const row = state.results.get(resultId)
    if (row !== undefined) row.vested = true
    state.books.post([{ kind: 'vest', debit: `held:${payee}`, credit: payee, amountMilli, resultId }])
  }
}

/** Takes back what was earned. */
export function reverse(state: State, grants: readonly Grant[]): void {
  for (const { resultId, payee, amountMilli, campaignId } of grants) {
    const row = state.results.get(resultId)
    const debit = row?.vested ? payee : `held:${payee}`
    const escrow = escrowAccount(campaignId)
    state.books.post([
      { kind: 'reverse', debit, credit: 'forfeit', amountMilli, resultId },
      { kind: 'forfeit', debit: 'forfeit', credit: escrow, amountMilli, resultId },
    ])
    if (row !== undefined) row.vested = false
  }
}
