import { restoreForfeits } from '#jobs/pay.ts'
import type { ActionId, HostId, Instant } from '#protocol/units.ts'
import { addAction, decideAppeal, hostsConcerned, lastExclusion, partyConcerned } from '#store/actions.ts'
import type { Trx } from '#store/database.ts'
import { addHostEvents, setHostState } from '#store/hosts.ts'
import { liftExclusions } from '#store/standing.ts'
import type { ActDeps } from './deps.ts'

interface Decided {
  readonly actionId: ActionId
  readonly decision: 'uphold' | 'reject'
  readonly reason: string
  readonly now: Instant
}

export interface SettledAppeal {
  readonly hostIds: readonly HostId[]
  /** Credit that was forfeited and came back, milli-credits. */
  readonly restoredMilli: number
}

/**
 * Decides an open appeal. Upheld: the hosts of the exclusion work again, what they forfeited comes back, and the exclusion
 * counts against nobody. Undefined when there is no such appeal, or it was decided.
 */
export async function settleAppeal(
  trx: Trx,
  { actionId, decision, reason, now }: Decided,
  ids: Pick<ActDeps['ids'], 'action'>,
): Promise<SettledAppeal | undefined> {
  const state = decision === 'uphold' ? 'upheld' : 'rejected'
  if (!(await decideAppeal(trx, { actionId, decision: state, reason, now }))) return undefined
  const hostIds = await hostsConcerned(trx, actionId)
  if (decision === 'reject') {
    const told = hostIds.map(hostId => ({ hostId, event: 'appeal_rejected', detail: reason }))
    await addHostEvents(trx, told, now)
    return { hostIds, restoredMilli: 0 }
  }
  const released = await releaseHosts(trx, { actionId, hostIds, reason, now })
  const party = await partyConcerned(trx, actionId)
  if (party !== null && released.length > 0) {
    const action = { id: ids.action(now), kind: 'release', party, hostIds: released } as const
    await addAction(
      trx,
      { ...action, actor: 'operator', reason, detail: `appeal ${actionId}`, appealUntil: now },
      now,
    )
  }
  return { hostIds: released, restoredMilli: await restoreForfeits(trx, released, now) }
}

/** Those whom nothing newer excludes, and who did not retire. */
async function releaseHosts(
  trx: Trx,
  { actionId, hostIds, reason, now }: Omit<Decided, 'decision'> & { hostIds: readonly HostId[] },
): Promise<HostId[]> {
  const released: HostId[] = []
  for (const id of hostIds) {
    if ((await lastExclusion(trx, id))?.id !== actionId) continue
    const change = { id, state: 'active', reason: `the appeal was upheld: ${reason}`, now } as const
    if (await setHostState(trx, change)) released.push(id)
  }
  await liftExclusions(trx, released, now)
  return released
}
