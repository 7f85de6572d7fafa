import { shownRows } from '#domain/records.ts'
import type { CampaignId } from '#protocol/units.ts'
import { changeBest, lockBest } from '#store/best.ts'
import { inBusyTransaction } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { readLeaders } from '#store/views.ts'
import type { JobDeps } from './deps.ts'

// As many as the campaign's view looks through for its best. Nearly always one of the first few is shown: the runs of the others
// need not be looked at.
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
    const bestOf = async (limit: number) => {
      const rows = await readLeaders(trx, { campaignId: id, goal, limit, among })
      return shownRows(rows, trust.leaderRows)[0]
    }
    const best =
      (await bestOf(FIRST_FEW)) ?? (among.length > FIRST_FEW ? await bestOf(BEST_AMONG) : undefined)
    const experimentId = best?.mean == null ? null : best.experimentId
    if (experimentId === before.experimentId) return
    await changeBest(trx, id, experimentId)
    if (experimentId === null || best?.mean == null) return
    const detail = `${experimentId} leads with ${best.mean.toFixed(4)} (n = ${best.n})`
    await addCampaignEvents(trx, [{ campaignId: id, event: 'best', experimentId, detail }], now())
  })
}
