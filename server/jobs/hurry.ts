import { PRESENT_MS } from '#domain/dispatch.ts'
import { chooseHurried, OVERDUE_MS_MIN, passOn } from '#domain/hurry.ts'
import { addMs, type WorkUnitId } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { lockDaemon } from '#store/economics.ts'
import {
  countIdle,
  hurryWorkUnits,
  isWorkLeft,
  listKeptForNobody,
  listTails,
  passToProven,
  verifierRoom,
} from '#store/hurry.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { demandChecks, lockWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

const HURRIED_PER_ROUND = 200
const SAMPLES = 100
const PASSED_ON_PER_ROUND = 500

/**
 * Asks a verifier or a second host for the last runs of a campaign that take much longer than the others did, while they are idle. A
 * verifier's word is the last; of hosts whoever comes first decides. Gives the units. Two processes take turns.
 */
export function hurryTails(deps: Pick<JobDeps, 'knex' | 'now'>): Promise<WorkUnitId[]> {
  return inTransaction(deps.knex, async trx => {
    const now = deps.now()
    const since = addMs(now, -PRESENT_MS)
    const hosts = await countIdle(trx, since, HURRIED_PER_ROUND)
    if (hosts === 0 && (await isWorkLeft(trx))) return [] // the verifier is idle for most of the time
    const idle = { hosts, verifierRoom: await verifierRoom(trx, since) }
    if ((hosts === 0 && idle.verifierRoom <= 0) || !(await lockDaemon(trx))) return []
    const tails = await listTails(trx, {
      ...{ now, since, leasedBefore: addMs(now, -OVERDUE_MS_MIN) },
      ...{ samples: SAMPLES, perCampaign: HURRIED_PER_ROUND },
    })
    const { toVerifier, toProven } = chooseHurried(tails, idle)
    const open = await lockOpen(trx, [...toVerifier, ...toProven])
    await hurryWorkUnits(trx, [...open], now)
    await askVerifier(
      trx,
      'hurry',
      toVerifier.filter(id => open.has(id)),
    )
    await touchWorkUnits(trx, [...open], now)
    return [...open]
  })
}

/** Locks units and gives those that are open still. */
async function lockOpen(trx: Trx, ids: readonly WorkUnitId[]): Promise<ReadonlySet<WorkUnitId>> {
  const locked = await lockWorkUnits(trx, ids)
  return new Set(locked.flatMap(({ workUnit: { id, state } }) => (state === 'open' ? [id] : [])))
}

const askVerifier = (trx: Trx, demand: 'hurry' | 'sample', ids: readonly WorkUnitId[]): Promise<number> =>
  demandChecks(
    trx,
    ids.map(id => ({ id, demand })),
  )

/**
 * Passes on to idle hosts what is kept for newcomers to check while there are none, at the end of a campaign to an idle verifier:
 * waiting for newcomers would only hold up the campaign. Gives the units. Two processes take turns.
 */
export function passOnChecks(deps: Pick<JobDeps, 'knex' | 'now'>): Promise<WorkUnitId[]> {
  return inTransaction(deps.knex, async trx => {
    const now = deps.now()
    const since = addMs(now, -PRESENT_MS)
    if ((await countIdle(trx, since, 1)) === 0 || !(await lockDaemon(trx))) return []
    const kept = await listKeptForNobody(trx, since, PASSED_ON_PER_ROUND)
    if (kept.length === 0) return []
    const open = await lockOpen(
      trx,
      kept.map(({ id }) => id),
    )
    const { toVerifier, toProven } = passOn(
      kept.filter(({ id }) => open.has(id)),
      await verifierRoom(trx, since),
    )
    await askVerifier(trx, 'sample', toVerifier)
    await touchWorkUnits(trx, toVerifier, now)
    return [...toVerifier, ...(await passToProven(trx, toProven))]
  })
}
