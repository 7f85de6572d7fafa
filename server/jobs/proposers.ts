import { OUTSIDE, proposersOf } from '#protocol/space.ts'
import { sharesText } from '#search/test-notes.ts'
import { insertExperiments } from '#store/progress.ts'
import { listWaiting, removeWaiting } from '#store/proposers.ts'
import { countReports } from '#store/search.ts'
import type { Growth } from './create-units.ts'
import { say } from './say.ts'
import type { Told } from './search.ts'

/** Writes down which proposer gets more or less of the budget of a locked campaign, where a promotion was told or withdrawn. */
export async function saySharesOf(growth: Growth, { history, promoted }: Told): Promise<void> {
  if (promoted.length === 0) return
  const text = sharesText(proposersOf(growth.campaign.file.sampler), history, promoted)
  const evidence = promoted.flatMap(({ ordinal }) => history.trials[ordinal]?.id ?? [])
  await say(growth, 'decision', text, evidence)
}

/**
 * Begins what waits from outside in a locked campaign where nobody has to wait any more: a revision took `propose` from among its
 * proposers. True when something began.
 */
export async function admitWaiting({
  trx,
  campaign,
  now,
}: Pick<Growth, 'trx' | 'campaign' | 'now'>): Promise<boolean> {
  const { id, file, revision, experimentsPlanned, experimentsCreated } = campaign
  if (proposersOf(file.sampler).includes(OUTSIDE)) return false
  const waiting = (await listWaiting(trx, id)).slice(0, Math.max(0, experimentsPlanned - experimentsCreated))
  if (waiting.length === 0) return false
  const asked = await countReports(trx, id)
  const experiments = waiting.map((row, i) => ({
    ...{ ...row, ordinal: experimentsCreated + i, asked, revision },
    ...({ proposer: OUTSIDE, promotions: 0 } as const),
  }))
  await insertExperiments(trx, id, experiments, now)
  await removeWaiting(trx, waiting)
  return true
}
