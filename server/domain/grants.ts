import { APPEAL_DAYS } from '#protocol/limits.ts'
import type { CampaignId, HostId, MilliCredit, ResultId } from '#protocol/units.ts'
import { invariant } from './invariant.ts'
import {
  type AccountName,
  escrowAccount,
  heldAccount,
  type Payee,
  type Transfer,
  transfer,
} from './ledger.ts'

// What a result earns, step by step: escrow → held → payee, or back. Per campaign at any moment
// reserved + overrun + returned = granted + refunded + balance, where `forfeit` and `repay` are what was returned.

/** A verdict is paid once: `decision` counts how often the result's verdict had changed before. */
export interface Grant {
  readonly resultId: ResultId
  readonly decision: number
  readonly campaignId: CampaignId
  readonly hostId: HostId // that computed it
  readonly payee: Payee
  readonly amountMilli: MilliCredit
}

/** What could not be collected of a reversed grant: the payee's later grants repay it to the campaign. */
export interface Debt {
  readonly resultId: ResultId
  readonly decision: number
  readonly campaignId: CampaignId
  readonly payee: Payee
  readonly amountMilli: MilliCredit // still open
}

type Balances = ReadonlyMap<AccountName, MilliCredit>

/** A verifier and a few disputes cost some percent; this is what a day may cost when somebody provokes them. */
export const OVERRUN_DAILY_MILLI = 10_000_000

/** What was taken from a host that cheated is kept apart so long, and until an appeal is decided. */
export const APPEAL_MS = APPEAL_DAYS * 24 * 3600_000

interface Terms {
  /** Results that are final already: not provisional. */
  readonly vestNow: ReadonlySet<ResultId>
  /** What the mint may still add today. */
  readonly overrunLeftMilli: MilliCredit
  /** Open debts of the payees, oldest first. */
  readonly debts?: readonly Debt[]
}

/**
 * escrow → held for each grant, held → payee for those in `vestNow`, and mint → escrow (overrun) for what an escrow
 * lacks: late and disputed results are paid although the campaign planned for fewer. Grants for which today's overrun is
 * used up are deferred, whole. `balances` are those of the escrows, under lock; a missing one is 0.
 */
export function payGrants(
  grants: readonly Grant[],
  balances: Balances,
  { vestNow, overrunLeftMilli, debts }: Terms,
): { transfers: Transfer[]; deferred: Grant[] } {
  const left = new Map(balances)
  const deferred: Grant[] = []
  const final: Grant[] = []
  let overrunLeft = overrunLeftMilli
  const transfers = grants.flatMap(grant => {
    const { resultId, campaignId, amountMilli } = grant
    const escrow = escrowAccount(campaignId)
    const balance = left.get(escrow) ?? 0
    const lacking = Math.max(0, amountMilli - balance)
    if (lacking > overrunLeft) {
      deferred.push(grant)
      return []
    }
    overrunLeft -= lacking
    left.set(escrow, balance + lacking - amountMilli)
    if (vestNow.has(resultId)) final.push(grant)
    return [
      ...(lacking === 0 ? [] : [overrun(grant, lacking)]),
      moved(grant, 'grant', { debit: escrow, credit: heldAccount(grant.payee), amountMilli }),
    ]
  })
  return { transfers: [...transfers, ...vest(final, debts)], deferred }
}

/** What of these grants the escrows cannot pay: zero, or a reason to look at today's overrun. */
export function lackingOf(grants: readonly Grant[], balances: Balances): MilliCredit {
  const wanted = new Map<AccountName, MilliCredit>()
  for (const { campaignId, amountMilli } of grants) {
    const escrow = escrowAccount(campaignId)
    wanted.set(escrow, (wanted.get(escrow) ?? 0) + amountMilli)
  }
  return [...wanted].reduce(
    (sum, [escrow, amount]) => sum + Math.max(0, amount - (balances.get(escrow) ?? 0)),
    0,
  )
}

/**
 * held → payee for results that became final, one transfer for those of a host: who gave how much is counted by host. Then
 * payee → escrow for what the payee owes, oldest debt first.
 */
export function vest(grants: readonly Grant[], debts: readonly Debt[] = []): Transfer[] {
  const owed: Owed = debts.map(debt => ({ debt, leftMilli: debt.amountMilli }))
  const together = Map.groupBy(grants, ({ hostId, payee }) => `${hostId} ${payee}`)
  return [...together.values()].flatMap(some => vestTogether(some, owed))
}

/** A grant that stands, and whether it is final. */
export interface StandingGrant extends Grant {
  readonly vested: boolean
}

/**
 * Takes grants back: held (or payee, of what is final) → forfeit, and with `escrow` → escrow in the same list. What the
 * payee has spent is a debt. `balances` are those of payees and held accounts, under lock.
 */
export function reverseGrants(
  grants: readonly StandingGrant[],
  { to }: { readonly to: 'escrow' | 'forfeit' },
  balances: Balances,
): { transfers: Transfer[]; debts: Debt[] } {
  const left = new Map(balances)
  const debts: Debt[] = []
  const transfers = grants.flatMap(({ vested, ...grant }) => {
    const source = vested ? grant.payee : heldAccount(grant.payee)
    const amountMilli = Math.min(left.get(source) ?? 0, grant.amountMilli)
    invariant(vested || amountMilli === grant.amountMilli, 'what is held is there')
    left.set(source, (left.get(source) ?? 0) - amountMilli)
    if (amountMilli < grant.amountMilli)
      debts.push({ ...grant, amountMilli: grant.amountMilli - amountMilli })
    if (amountMilli === 0) return []
    const taken = moved(grant, 'reverse', { debit: source, credit: 'forfeit', amountMilli })
    return to === 'forfeit' ? [taken] : [taken, ...giveOn([{ ...grant, amountMilli }], { to: 'escrow' })]
  })
  return { transfers, debts }
}

/**
 * forfeit → escrow when a reversal is final (`forfeit`), or → payee when an appeal was won (`restore`). The amounts are
 * what was collected.
 */
export function giveOn(forfeits: readonly Grant[], { to }: { readonly to: 'escrow' | 'payee' }): Transfer[] {
  return forfeits.map(grant => {
    const { amountMilli, campaignId, payee } = grant
    return to === 'escrow'
      ? moved(grant, 'forfeit', { debit: 'forfeit', credit: escrowAccount(campaignId), amountMilli })
      : moved(grant, 'restore', { debit: 'forfeit', credit: payee, amountMilli })
  })
}

/** What is open of each debt; it shrinks as grants vest. */
type Owed = { readonly debt: Debt; leftMilli: MilliCredit }[]

/** Of one host. The first grant names the transfer: no other can begin with it. */
function vestTogether(some: readonly Grant[], owed: Owed): Transfer[] {
  const [first] = some
  if (first === undefined) return []
  const { payee } = first
  const amountMilli = some.reduce((sum, grant) => sum + grant.amountMilli, 0)
  const grants = some.map(nameOf)
  const accounts = { debit: heldAccount(payee), credit: payee }
  const transfers = [
    transfer({ key: `vest:${nameOf(first)}`, kind: 'vest', ...accounts, amountMilli, grants }),
  ]
  let left = amountMilli
  for (const open of owed) {
    const repaid = open.debt.payee === payee ? Math.min(left, open.leftMilli) : 0
    if (repaid === 0) continue
    open.leftMilli -= repaid
    left -= repaid
    transfers.push(repay(open.debt, first, repaid))
  }
  return transfers
}

function repay(debt: Debt, by: Grant, amountMilli: MilliCredit): Transfer {
  const { resultId, campaignId } = debt
  return transfer({
    ...{ key: `repay:${nameOf(debt)}:${nameOf(by)}`, kind: 'repay' },
    ...{ debit: debt.payee, credit: escrowAccount(campaignId), amountMilli, campaignId, resultId },
    reason: `the credit of ${resultId} was reversed after it was spent`,
  })
}

function overrun(grant: Grant, amountMilli: MilliCredit): Transfer {
  const accounts = { debit: 'mint', credit: escrowAccount(grant.campaignId) } as const
  return moved(grant, 'overrun', { ...accounts, amountMilli, reason: 'results beyond the plan' })
}

type Move = Pick<Transfer, 'debit' | 'credit' | 'amountMilli'> & { readonly reason?: string }

function moved(
  grant: Grant,
  kind: 'grant' | 'overrun' | 'reverse' | 'forfeit' | 'restore',
  move: Move,
): Transfer {
  const { campaignId, resultId } = grant
  return transfer({ key: `${kind}:${nameOf(grant)}`, kind, ...move, campaignId, resultId })
}

const nameOf = ({ resultId, decision }: Pick<Grant, 'resultId' | 'decision'>): string =>
  `${resultId}:${decision}`
