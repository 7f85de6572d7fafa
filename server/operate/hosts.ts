import { appealUntil } from '#domain/appeal.ts'
import type { Act } from '#protocol/acts.ts'
import type { HostId } from '#protocol/units.ts'
import { addAction, findOpenAppeal, hostsConcerned, lastExclusion, partyOf } from '#store/actions.ts'
import type { Trx } from '#store/database.ts'
import { type HostRow, readHost, setHostState } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { unitsLeasedTo } from '#store/results.ts'
import { liftExclusions } from '#store/standing.ts'
import { settleAppeal } from './appeals.ts'
import { ActRefused, type Plan } from './deps.ts'

type ActOf<Kind extends Act['kind']> = Extract<Act, { kind: Kind }>

/** A host computes nothing any more, and what it holds is handed out again. In the public log once it cannot be appealed. */
export const quarantine = ({ hostId }: ActOf<'quarantine_host'>): Plan => ({
  subject: hostId,
  look: async trx => {
    const { state } = await hostOf(trx, hostId, 'quarantined')
    const held = await unitsLeasedTo(trx, [hostId])
    return {
      touches: 1,
      sentence: `computes nothing any more; ${held.length} work units that it holds are handed out again`,
      sample: [{ id: hostId, what: state }],
      inverse: { kind: 'release_host', hostId },
    }
  },
  do: async (trx, deps, reason) => {
    const now = deps.now()
    await deps.wake.workUnits(trx, await freeLeases(trx, [hostId], now))
    const host = await hostOf(trx, hostId, 'quarantined')
    await setHostState(trx, { id: hostId, state: 'quarantined', reason, now })
    const action = {
      id: deps.ids.action(now),
      kind: 'quarantine',
      party: partyOf(host),
      hostIds: [hostId],
    } as const
    const why = { actor: 'operator', reason, detail: 'by hand', appealUntil: appealUntil(now) } as const
    await addAction(trx, { ...action, ...why }, now)
    return 1
  },
})

/** A host that was excluded or paused works again. */
export const release = ({ hostId }: ActOf<'release_host'>): Plan => ({
  subject: hostId,
  look: async trx => {
    const { state } = await hostOf(trx, hostId, 'active')
    return {
      touches: 1,
      sentence: 'gets work again, and its exclusion counts against nobody',
      sample: [{ id: hostId, what: state }],
      // One that was only paused is checked again by itself.
      inverse: state === 'quarantined' ? { kind: 'quarantine_host', hostId } : null,
    }
  },
  do: async (trx, deps, reason) => {
    const now = deps.now()
    const host = await hostOf(trx, hostId, 'active')
    await setHostState(trx, { id: hostId, state: 'active', reason, now })
    await liftExclusions(trx, [hostId], now)
    const until = (await lastExclusion(trx, hostId))?.appealUntil ?? now
    const action = {
      id: deps.ids.action(now),
      kind: 'release',
      party: partyOf(host),
      hostIds: [hostId],
    } as const
    await addAction(trx, { ...action, actor: 'operator', reason, detail: 'by hand', appealUntil: until }, now)
    return 1
  },
})

async function hostOf(trx: Trx, id: HostId, becomes: HostRow['state']): Promise<HostRow> {
  const host = await readHost(trx, id)
  if (host === undefined) throw new ActRefused('not_found', `host ${id}`)
  if (host.state === 'retired') throw new ActRefused('act_pointless', `${id} is retired`)
  if (host.state === becomes) throw new ActRefused('act_pointless', `${id} is ${becomes} already`)
  return host
}

/** An appeal is decided, once: upheld, its hosts work again and what they forfeited comes back. */
export const decideAppeal = ({ actionId, decision }: ActOf<'decide_appeal'>): Plan => ({
  subject: actionId,
  look: async trx => {
    if ((await findOpenAppeal(trx, actionId)) === undefined)
      throw new ActRefused('not_found', `there is no open appeal ${actionId}`)
    const hosts = await hostsConcerned(trx, actionId)
    const became = decision === 'uphold' ? 'work again, and what they forfeited comes back' : 'stay excluded'
    return {
      touches: hosts.length,
      sentence: `${hosts.length} hosts ${became}; the decision and its reason are public, and final`,
      sample: hosts.map(id => ({ id, what: 'host' })),
      inverse: null,
    }
  },
  do: async (trx, deps, reason) => {
    const decided = { actionId, decision, reason, now: deps.now() }
    const settled = await settleAppeal(trx, decided, deps.ids)
    if (settled === undefined) throw new ActRefused('not_found', `there is no open appeal ${actionId}`)
    return settled.hostIds.length
  },
})
