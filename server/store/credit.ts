import {
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
import {
  type AccountName,
  claim,
  escrowAccount,
  heldAccount,
  payeeAccount,
  type Transfer,
  userAccount,
} from '#domain/ledger.ts'
import type { HostId, Instant, ResultId, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import {
  deferGrants,
  dropDeferred,
  forfeitsOf,
  forgiveDebts,
  insertDebts,
  moveDebts,
  openDebts,
  overrunOn,
  standingGrants,
  takeDeferred,
  vestDeferred,
} from './debts.ts'
import { lockBalances, post } from './ledger.ts'

// What becomes of a result's credit: load and lock, decide in the domain, post. Each runs in the caller's transaction,
// after the locks of work units, results and hosts, and is a no-op for what was done before.

/**
 * Pays grants into held accounts, and at once on to the payees for results in `vestNow` (those that are not provisional).
 * What is beyond today's overrun waits for another day.
 */
export async function payResults(
  trx: Trx,
  grants: readonly Grant[],
  { vestNow, now }: { readonly vestNow: ReadonlySet<ResultId>; readonly now: Instant },
): Promise<void> {
  if (grants.length === 0) return
  const { balances, debts } = await lockFor(trx, grants, now)
  const isShort = lackingOf(grants, balances) > 0
  if (isShort) await lockBalances(trx, ['mint'])
  const overrunLeftMilli = isShort ? OVERRUN_DAILY_MILLI - (await overrunOn(trx, now)) : 0
  const { transfers, deferred } = payGrants(grants, balances, { vestNow, overrunLeftMilli, debts })
  await postAll(trx, transfers, now)
  const waiting = deferred.map(grant => ({ ...grant, vest: vestNow.has(grant.resultId) }))
  await deferGrants(trx, waiting, now)
}

/** The results are final now: what is held for them goes to the payees, who first repay what they owe. */
export async function vestResults(trx: Trx, resultIds: readonly ResultId[], now: Instant): Promise<void> {
  if (resultIds.length === 0) return
  await vestDeferred(trx, resultIds)
  const held = (await standingGrants(trx, resultIds)).filter(grant => !grant.vested)
  if (held.length === 0) return
  const { debts } = await lockFor(trx, held, now)
  await postAll(trx, vest(held, debts), now)
}

/**
 * Takes back what these results earned, into `forfeit` and with `escrow` on to their campaigns. What was spent becomes a
 * debt that is due at `dueAt`.
 */
export async function reverseResults(
  trx: Trx,
  resultIds: readonly ResultId[],
  { to, now, dueAt = now }: { to: 'escrow' | 'forfeit'; now: Instant; dueAt?: Instant },
): Promise<void> {
  if (resultIds.length === 0) return
  await dropDeferred(trx, resultIds)
  const standing = await standingGrants(trx, resultIds)
  const { balances } = await lockFor(trx, standing, now)
  // Read again under the locks: one that vested meanwhile is taken from its payee.
  const grants: StandingGrant[] = standing.length === 0 ? [] : await standingGrants(trx, resultIds)
  const { transfers, debts } = reverseGrants(grants, { to }, balances)
  await postAll(trx, transfers, now)
  await insertDebts(trx, debts, { now, dueAt })
}

/** What these results forfeited goes to their campaigns, or, after a won appeal, back; and their debts are forgiven. */
export async function settleForfeits(
  trx: Trx,
  resultIds: readonly ResultId[],
  { to, now }: { to: 'escrow' | 'payee'; now: Instant },
): Promise<void> {
  const forfeits = await forfeitsOf(trx, resultIds)
  await postAll(trx, giveOn(forfeits, { to }), now)
  if (to === 'payee') await forgiveDebts(trx, resultIds, now)
}

/** A host was claimed: what it has, what is held for it and what it owes are its user's. */
export async function claimCredit(
  trx: Trx,
  { hostId, userId, now }: { hostId: HostId; userId: UserId; now: Instant },
): Promise<void> {
  const [from, to] = [payeeAccount({ id: hostId, userId: null }), userAccount(userId)]
  const balances = await lockBalances(trx, [from, to, heldAccount(from), heldAccount(to)])
  await post(trx, claim({ hostId, userId }, balances), now)
  await moveDebts(trx, { from, to })
}

const DEFERRED_PER_SWEEP = 500

/** Pays deferred grants, oldest first, as far as today's overrun goes; returns how many it looked at. */
export async function payDeferred(trx: Trx, now: Instant): Promise<number> {
  const grants = await takeDeferred(trx, DEFERRED_PER_SWEEP)
  const vestNow = new Set(grants.flatMap(grant => (grant.vest ? [grant.resultId] : [])))
  await payResults(trx, grants, { vestNow, now })
  return grants.length
}

/** Locks everything that paying, vesting or reversing these grants moves, and reads what the payees owe. */
async function lockFor(trx: Trx, grants: readonly Grant[], now: Instant) {
  const payees = [...new Set(grants.map(grant => grant.payee))]
  const known = await openDebts(trx, payees, now)
  const names: AccountName[] = [...grants, ...known].flatMap(({ campaignId, payee }) => [
    ...[escrowAccount(campaignId), heldAccount(payee), payee],
  ])
  const balances = await lockBalances(trx, names)
  // A debt of this moment whose escrow is not locked is repaid by the next grant.
  const debts = known.length === 0 ? [] : await openDebts(trx, payees, now)
  return { balances, debts: debts.filter(debt => balances.has(escrowAccount(debt.campaignId))) }
}

async function postAll(trx: Trx, transfers: readonly Transfer[], now: Instant): Promise<void> {
  const posted = await post(trx, transfers, now)
  invariant(posted === transfers.length, 'what is decided under lock was not posted before')
}
