import { shownRows } from '#domain/records.ts'
import type { CampaignId, ExperimentId } from '#protocol/units.ts'
import { changeBest, lockBest } from '#store/best.ts'
import { inBusyTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { type LeaderRow, readLeaders } from '#store/views.ts'
import type { JobDeps } from './deps.ts'

// As many as the campaign's view looks through for its best. Nearly always it is one of the first few: the runs of the others need not
// be looked at.
const BEST_AMONG = 100
const FIRST_FEW = 10

/**
 * Tells those who follow a campaign that another experiment leads what is shown of its leaderboard. In a transaction of its own: a
 * campaign that was settled long ago may have another best, when a result is withdrawn.
 */
export async function tellBest({ knex, now, trust }: JobDeps, id: CampaignId): Promise<void> {
  await inBusyTransaction(knex, async trx => {
    const before = await lockBest(trx, id, BEST_AMONG)
    if (before === undefined) return
    const { goal, among } = before
    const shownBest = (rows: readonly LeaderRow[]) => shownRows(rows, trust.leaderRows)[0]
    const ranked = (some: readonly ExperimentId[]) =>
      readLeaders(trx, { campaignId: id, goal, limit: some.length, among: some })
    const few = await ranked(among.slice(0, FIRST_FEW))
    const isEnough = isAheadOf(shownBest(few), few.at(-1)) || among.length <= FIRST_FEW
    const best = shownBest(isEnough ? few : await ranked(among))
    const experimentId = best?.mean == null ? null : best.experimentId
    if (experimentId === before.experimentId) return
    await changeBest(trx, id, experimentId)
    if (experimentId === null || best?.mean == null) return
    const detail = `${experimentId} leads with ${best.mean.toFixed(4)} (n = ${best.n})`
    await addCampaignEvents(trx, [{ campaignId: id, event: 'best', experimentId, detail }], now())
  })
}

/** Whether whoever comes after the last cannot come before the first: who diverged with some seed comes behind all that never did. */
const isAheadOf = (first: LeaderRow | undefined, last: LeaderRow | undefined): boolean =>
  first !== undefined && first.diverged === 0 && first.mean !== last?.mean
