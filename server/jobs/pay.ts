import {
  APPEAL_MS,
  type Debt,
  type Grant,
  giveOn,
  lackingOf,
  OVERRUN_DAILY_MILLI,
  payGrants,
  reverseGrants,
  type StandingGrant,
  vest,
} from '#domain/grants.ts'
import { invariant } from '#domain/invariant.ts'
import { type AccountName, escrowAccount, heldAccount, netChanges, type Transfer } from '#domain/ledger.ts'
import { addMs, type HostId, type Instant, type MilliCredit, type ResultId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import {
  deferGrants,
  dropDeferred,
  forfeitsOf,
  forgiveDebts,
  hostsDeferred,
  insertDebts,
  oldForfeits,
  openDebts,
  overrunOn,
  takeDeferred,
  vestDeferred,
} from '#store/debts.ts'
import { lockBalances, post } from '#store/ledger.ts'
import { lockStandings } from '#store/standing.ts'

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

/**
 * Locks the accounts, which come last in the order of locks, and moves the credit: what is taken back first, so that it
 * pays for what is granted. Grants beyond today's overrun wait for another day; what was spent before it was taken back is
 * a debt, which the payee's grants repay as they become final.
 */
export async function pay(trx: Trx, payday: Payday, now: Instant): Promise<void> {
  const { grants = [], vestNow = new Set(), to = 'escrow' } = payday
  const vests = without(payday.vests ?? [], await vestDeferred(trx, idsOf(payday.vests)))
  const reversals = without(payday.reversals ?? [], await dropDeferred(trx, idsOf(payday.reversals)))
  const { balances, debts } = await lockFor(trx, [...grants, ...vests, ...reversals], now)
  const taken = reverseGrants(reversals, { to }, balances)
  const left = new Map(balances)
  for (const [name, change] of netChanges(taken.transfers)) left.set(name, (left.get(name) ?? 0) + change)
  const overrunLeftMilli = lackingOf(grants, left) === 0 ? 0 : await overrunLeft(trx, now)
  const paid = payGrants(grants, left, { vestNow: new Set(), overrunLeftMilli })
  const final = without(grants, new Set(idsOf(paid.deferred))).filter(grant => vestNow.has(grant.resultId))
  const transfers = [...taken.transfers, ...paid.transfers, ...vest([...vests, ...final], debts)]
  await postAll(trx, transfers, now, balances)
  await insertDebts(trx, taken.debts, { now, dueAt: to === 'escrow' ? now : addMs(now, APPEAL_MS) })
  const waiting = paid.deferred.map(grant => ({ ...grant, vest: vestNow.has(grant.resultId) }))
  await deferGrants(trx, waiting, now)
}

const DEFERRED_PER_SWEEP = 500

/** Pays deferred grants, oldest first, as far as today's overrun goes. */
export async function payDeferred(trx: Trx, now: Instant): Promise<void> {
  const hosts = await lockStandings(trx, await hostsDeferred(trx, DEFERRED_PER_SWEEP))
  const grants = await takeDeferred(trx, [...hosts.keys()], DEFERRED_PER_SWEEP)
  const vestNow = new Set(grants.flatMap(grant => (grant.vest ? [grant.resultId] : [])))
  await pay(trx, { grants, vestNow }, now)
}

/** What these hosts forfeited comes back, and their debts are forgiven: their appeal was upheld. Gives how much. */
export async function restoreForfeits(
  trx: Trx,
  hostIds: readonly HostId[],
  now: Instant,
): Promise<MilliCredit> {
  const forfeits = await forfeitsOf(trx, hostIds)
  await postAll(trx, giveOn(forfeits, { to: 'payee' }), now)
  await forgiveDebts(trx, hostIds, now)
  return forfeits.reduce((sum, { amountMilli }) => sum + amountMilli, 0)
}

const FORFEITS_PER_SWEEP = 500

/** What was forfeited so long ago that nobody can appeal any more goes back to its campaigns. */
export async function settleForfeits(trx: Trx, now: Instant): Promise<void> {
  const forfeits = await oldForfeits(trx, { before: addMs(now, -APPEAL_MS), limit: FORFEITS_PER_SWEEP })
  await postAll(trx, giveOn(forfeits, { to: 'escrow' }), now)
}

const idsOf = (grants: readonly Grant[] = []): ResultId[] => grants.map(grant => grant.resultId)

const without = <G extends Grant>(grants: readonly G[], ids: ReadonlySet<ResultId>): G[] =>
  grants.filter(grant => !ids.has(grant.resultId))

/** Locks everything that these grants may move, and reads what the payees owe. */
async function lockFor(
  trx: Trx,
  grants: readonly Grant[],
  now: Instant,
): Promise<{ balances: ReadonlyMap<AccountName, MilliCredit>; debts: readonly Debt[] }> {
  if (grants.length === 0) return { balances: new Map(), debts: [] }
  const payees = [...new Set(grants.map(grant => grant.payee))]
  const known = await openDebts(trx, payees, now)
  const names = [...grants, ...known].flatMap(({ campaignId, payee }) => [
    ...[escrowAccount(campaignId), heldAccount(payee), payee],
  ])
  const balances = await lockBalances(trx, names)
  // A debt of this moment whose escrow is not locked is repaid by the next grant.
  const debts = known.length === 0 ? [] : await openDebts(trx, payees, now)
  return { balances, debts: debts.filter(debt => balances.has(escrowAccount(debt.campaignId))) }
}

/** What the mint may still add today. It is locked, which every account but it may be before. */
async function overrunLeft(trx: Trx, now: Instant): Promise<MilliCredit> {
  await lockBalances(trx, ['mint'])
  return Math.max(0, OVERRUN_DAILY_MILLI - (await overrunOn(trx, now)))
}

async function postAll(
  trx: Trx,
  transfers: readonly Transfer[],
  now: Instant,
  locked?: ReadonlyMap<AccountName, MilliCredit>,
): Promise<void> {
  const posted = await post(trx, transfers, now, locked)
  invariant(posted === transfers.length, 'a verdict is paid once')
}
