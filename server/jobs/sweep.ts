import { lapseStarters, refundRest } from '#store/account-credit.ts'
import { payDeferred } from '#store/credit.ts'
import { inTransaction } from '#store/database.ts'
import { listLeftovers } from '#store/ledger.ts'
import { listUnsettled } from '#store/progress.ts'
import { lockDueWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

// Enough for a thousand deadlines a second; more wait for the next sweep, which is a second later.
const DUE_PER_SWEEP = 1_000
const CAMPAIGNS_PER_SWEEP = 1_000

/**
 * Asks for a look at every work unit whose moment has come: deadlines, and wake-ups that got lost. Locked ones are being
 * changed and wake themselves. Returns how many it found.
 */
export function sweepWorkUnits(deps: Pick<JobDeps, 'knex' | 'now' | 'enqueue'>): Promise<number> {
  return inTransaction(deps.knex, async trx => {
    const due = await lockDueWorkUnits(trx, deps.now(), DUE_PER_SWEEP)
    await deps.enqueue(trx, 'transition', due)
    return due.length
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

/** Moves the credit that time moves: deferred grants, starters that lapse, what came back to settled campaigns. */
export async function sweepCredit({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<void> {
  await inTransaction(knex, trx => payDeferred(trx, now()))
  await inTransaction(knex, trx => lapseStarters(trx, now()))
  const leftovers = await inTransaction(knex, trx => listLeftovers(trx, CAMPAIGNS_PER_SWEEP))
  for (const campaign of leftovers)
    await inTransaction(knex, trx => refundRest(trx, { ...campaign, now: now() }))
}
