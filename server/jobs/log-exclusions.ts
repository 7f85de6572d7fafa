import { appealUntil, publicReason } from '#domain/appeal.ts'
import type { Standing } from '#domain/trust.ts'
import type { HostId } from '#protocol/units.ts'
import { addAction, partyOf } from '#store/actions.ts'
import type { Trx } from '#store/database.ts'
import type { Exclusion } from '#store/standing.ts'
import type { JobDeps } from './deps.ts'

/** Writes exclusions into the log of actions, one entry for each owner: that is what can be appealed. */
export async function logExclusions(
  trx: Trx,
  deps: JobDeps,
  exclusions: readonly Exclusion[],
  hosts: ReadonlyMap<HostId, Standing>,
): Promise<void> {
  const now = deps.now()
  const ownerOf = ({ hostId }: Exclusion): string => hosts.get(hostId)?.ownerKey ?? hostId
  for (const [, mine] of Map.groupBy(exclusions, ownerOf)) {
    const [first] = mine
    if (first === undefined) continue
    const { userId = null } = hosts.get(first.hostId) ?? {}
    await addAction(
      trx,
      {
        ...{ id: deps.ids.action(now), kind: 'quarantine', actor: 'server', appealUntil: appealUntil(now) },
        ...{ party: partyOf({ id: first.hostId, userId }), hostIds: mine.map(e => e.hostId) },
        ...{
          reason: publicReason(first.reason),
          detail: mine.map(e => `${e.hostId}: ${e.reason}`).join('; '),
        },
      },
      now,
    )
  }
}
