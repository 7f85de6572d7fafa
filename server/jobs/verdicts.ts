import type { Goal } from '#domain/records.ts'
import type { CampaignId, Instant } from '#protocol/units.ts'
import { decidedText } from '#search/test-notes.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { lockUntold, setTold } from '#store/tests.ts'
import { withheldOf } from '#store/withheld.ts'
import type { JobDeps } from './deps.ts'
import { say } from './say.ts'

interface Telling {
  readonly trx: Trx
  readonly deps: Pick<JobDeps, 'ids' | 'trust'>
  readonly now: Instant
}

/**
 * Tells those who follow a campaign of verdicts that were reached or fell, by an event and a note. One on an experiment that is
 * withheld waits until the verifier has seen it: whether it is better is what nobody may know before. Gives the numbers of those that wait.
 */
export async function tellVerdicts(
  { trx, deps, now }: Telling,
  id: CampaignId,
): Promise<ReadonlySet<number>> {
  const untold = await lockUntold(trx, id)
  const [first] = untold
  if (first === undefined) return new Set()
  const campaign = { id, file: { metric: { goal: first.goal satisfies Goal } } }
  const withheld = new Set(await withheldOf(trx, campaign, deps.trust))
  const waiting = new Set<number>()
  for (const test of untold) {
    const { number, state, challenger, incumbent } = test
    if (withheld.has(challenger) || withheld.has(incumbent)) {
      waiting.add(number)
      continue
    }
    await say({ trx, deps, campaign, now }, 'insight', decidedText(test), [challenger, incumbent])
    const detail = `test ${number}: ${state === 'running' ? 'open again' : state}`
    const event = { campaignId: id, event: 'verdict', experimentId: challenger, detail } as const
    await addCampaignEvents(trx, [event], now)
    await setTold(trx, id, number, state)
  }
  return waiting
}

/** The same in a transaction of its own: a campaign may be settled when the verifier comes to what a verdict rests on. */
export async function tellLateVerdicts(deps: JobDeps, id: CampaignId): Promise<void> {
  await inTransaction(deps.knex, trx => tellVerdicts({ trx, deps, now: deps.now() }, id))
}
