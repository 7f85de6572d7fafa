import { runPropose } from '#jobs/propose.ts'
import { CampaignId } from '#protocol/units.ts'
import { openHistories } from '#store/histories.ts'
import type { Lifecycle } from './lifecycle.ts'

// Of the statements of one look every seventh is the last of somebody's life, of the next look the one after: after seven looks each was.
const STRIDE = 7

/**
 * From now on every look at a campaign is first made by processes that die: before one of its statements, and the next before a
 * later one, until one gets to the end; then it is made once more, as by a process that had not heard of that. Gives how
 * many died so far.
 */
export function killLooks(life: Lifecycle): () => number {
  const fetch = life.boss.fetch.bind(life.boss) as (...args: unknown[]) => Promise<{ data: { id: string } }[]>
  let [looks, killed] = [0, 0]
  const fetchKilled = async (queue: string, ...rest: unknown[]) => {
    const jobs = await fetch(queue, ...rest)
    if (queue !== 'propose') return jobs
    for (const id of new Set(jobs.map(({ data }) => CampaignId.parse(data.id)))) {
      looks += 1
      for (let last = 1 + (looks % STRIDE); !(await surviveUntil(life, id, last)); last += STRIDE) killed += 1
    }
    return jobs
  }
  life.boss.fetch = fetchKilled as never
  return () => killed
}

/** Whether a look at the campaign got to its end before its statement number `last`, at which its process dies. */
async function surviveUntil(life: Lifecycle, id: CampaignId, last: number): Promise<boolean> {
  let statements = 0
  const count = ({ sql }: { readonly sql: string }): void => {
    if (/^(begin|commit|rollback)/i.test(sql)) return // what is not committed when a process dies is rolled back
    statements += 1
    if (statements >= last) throw new Error('killed')
  }
  life.knex.on('query', count)
  try {
    await runPropose({ ...life.deps, histories: openHistories() }, [id])
    return true
  } catch (error) {
    if (error instanceof Error && error.message.includes('killed')) return false
    throw error
  } finally {
    life.knex.off('query', count)
  }
}
