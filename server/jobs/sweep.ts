import { lapseStarters, refundRest } from '#store/account-credit.ts'
import { listJoined } from '#store/claims.ts'
import { inTransaction } from '#store/database.ts'
import { addHostEvents } from '#store/hosts.ts'
import { listLeftovers } from '#store/ledger.ts'
import { listUnsettled } from '#store/progress.ts'
import { listDoubted, listUnspread, releaseRechecked } from '#store/standing.ts'
import type { JobDeps } from './deps.ts'
import { payDeferred, settleForfeits } from './pay.ts'

const CAMPAIGNS_PER_SWEEP = 1_000
const HOSTS_PER_SWEEP = 1_000

/**
 * Lets paused hosts go of whose results none is left to be judged again, and asks for a look at exclusions that nobody acted
 * on, at answers in doubt that still stand, and at claims whose joint work is still closed: their request got lost. Returns how
 * many it found.
 */
export function sweepHosts(deps: Pick<JobDeps, 'knex' | 'now' | 'enqueue'>): Promise<number> {
  return inTransaction(deps.knex, async trx => {
    const released = await releaseRechecked(trx, HOSTS_PER_SWEEP)
    const detail = 'its results were checked again and are right'
    await addHostEvents(
      trx,
      released.map(hostId => ({ hostId, event: 'released', detail })),
      deps.now(),
    )
    const unspread = await listUnspread(trx, HOSTS_PER_SWEEP)
    const doubted = await listDoubted(trx, HOSTS_PER_SWEEP)
    const waiting = [...unspread, ...doubted, ...(await listJoined(trx, HOSTS_PER_SWEEP))]
    await deps.enqueue(trx, 'standing', waiting)
    return released.length + waiting.length
  })
}

/** Asks for a look at every campaign that is not settled: leases taken make room for more experiments. */
export function sweepCampaigns(deps: Pick<JobDeps, 'knex' | 'enqueue'>): Promise<number> {
  return inTransaction(deps.knex, async trx => {
    const unsettled = await listUnsettled(trx, CAMPAIGNS_PER_SWEEP)
    await deps.enqueue(trx, 'propose', unsettled)
    return unsettled.length
  })
}

/** Moves the credit that time moves: deferred grants, what was forfeited, starters that lapse, what came back to settled campaigns. */
export async function sweepCredit({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<void> {
  await inTransaction(knex, trx => payDeferred(trx, now()))
  await inTransaction(knex, trx => settleForfeits(trx, now()))
  await inTransaction(knex, trx => lapseStarters(trx, now()))
  const leftovers = await inTransaction(knex, trx => listLeftovers(trx, CAMPAIGNS_PER_SWEEP))
  for (const campaign of leftovers)
    await inTransaction(knex, trx => refundRest(trx, { ...campaign, now: now() }))
}
