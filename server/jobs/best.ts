import { shownRows } from '#domain/records.ts'
import type { CampaignId } from '#protocol/units.ts'
import { changeBest, lockBest } from '#store/best.ts'
import { inBusyTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { readLeaders } from '#store/views.ts'
import type { JobDeps } from './deps.ts'

// As many as the campaign's view looks through for its best.
const BEST_AMONG = 100
// The best is nearly always among so many; the runs of each of them are looked through.
const BEST_FIRST = 5

/**
 * Tells those who follow a campaign that another experiment leads what is shown of its leaderboard. In a transaction of its own: a
 * campaign that was settled long ago may have another best, when a result is withdrawn.
 */
export async function tellBest({ knex, now, trust }: JobDeps, id: CampaignId): Promise<void> {
  await inBusyTransaction(knex, async trx => {
    const before = await lockBest(trx, id, BEST_AMONG)
    if (before === undefined) return
    const { goal, among } = before
    const firstShown = async (limit: number) =>
      shownRows(await readLeaders(trx, { campaignId: id, goal, limit, among }), trust.leaderRows)[0]
    const best = (await firstShown(BEST_FIRST)) ?? (await firstShown(BEST_AMONG))
    const experimentId = best?.mean == null ? null : best.experimentId
    if (experimentId === before.experimentId) return
    await changeBest(trx, id, experimentId)
    if (experimentId === null || best?.mean == null) return
    const detail = `${experimentId} leads with ${best.mean.toFixed(4)} (n = ${best.n})`
    await addCampaignEvents(trx, [{ campaignId: id, event: 'best', experimentId, detail }], now())
  })
}
