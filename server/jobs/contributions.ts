import { ANONYMOUS, type Contribution, contributionsOf, impactsOf, summed } from '#domain/contribution.ts'
import type { Instant } from '#protocol/units.ts'
import {
  addContributions,
  dropImpacts,
  endDays,
  listDeleted,
  lockContributions,
  type MovedRow,
  takeImpacts,
  takeParties,
  takeTransfers,
} from '#store/contributions.ts'
import { inBusyTransaction, type Trx } from '#store/database.ts'
import type { JobDeps } from './deps.ts'

const ROWS_PER_PAGE = 2_000
const PAGES_PER_SWEEP = 50

/**
 * Counts what the ledger and the events say of contributions since the last time, page by page, each in one transaction with its
 * cursors. What a page view shows is therefore some seconds old and never scanned for. Returns how many rows it looked at.
 */
export async function sweepContributions({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<number> {
  for (let page = 0, seen = 0; ; page++) {
    const looked = await inBusyTransaction(knex, trx => countPage(trx, now()))
    seen += looked
    if (looked < ROWS_PER_PAGE || page === PAGES_PER_SWEEP - 1) return seen
  }
}

/** Events before transfers: a result whose impact is counted here and that was taken back since loses it here. */
async function countPage(trx: Trx, clock: Instant): Promise<number> {
  const cursor = await lockContributions(trx)
  if (cursor === undefined) return 0
  const now = clock < cursor.at ? cursor.at : clock
  await endDays(trx, cursor.at, now)
  const impacts = await takeImpacts(trx, cursor.xmin, ROWS_PER_PAGE)
  const { looked, moved } = await takeTransfers(trx, cursor.xmin, ROWS_PER_PAGE)
  const reversed = moved.flatMap(({ kind, resultId }) =>
    kind === 'reverse' && resultId !== null ? [resultId] : [],
  )
  const lost = await dropImpacts(trx, reversed)
  const given = [...impactsOf(impacts, 1), ...impactsOf(lost, -1), ...contributionsOf(moved, now)]
  await addContributions(trx, summed(given), now)
  await moveClaimed(trx, moved, now)
  const deleted = await takeParties(trx, await listDeleted(trx, cursor.at), now)
  await addContributions(trx, summed(deleted.map(one => ({ ...one, party: ANONYMOUS }))), now)
  return Math.max(looked, impacts.length)
}

/** What claimed hosts gave is their accounts' from now on. Nothing is earned by a host after it was claimed. */
async function moveClaimed(trx: Trx, moved: readonly MovedRow[], now: Instant): Promise<void> {
  const owners = new Map(
    moved.flatMap(({ claimed, party }) => (claimed === null || party === null ? [] : [[claimed, party]])),
  )
  const taken = await takeParties(trx, [...owners.keys()], now)
  const changes = taken.flatMap((one): Contribution[] => {
    const owner = owners.get(one.party)
    if (owner === undefined || owner === ANONYMOUS) return []
    return [{ ...one, party: owner }, negative({ ...one, party: ANONYMOUS })]
  })
  await addContributions(trx, summed(changes), now)
}

const negative = (one: Contribution): Contribution => ({
  ...one,
  valid: -one.valid,
  creditMilli: -one.creditMilli,
  fuel: -one.fuel,
  impact: -one.impact,
  recentMilli: -one.recentMilli,
})
