import { PRESENT_MS } from '#domain/dispatch.ts'
import { chooseHurried, OVERDUE_MS_MIN, passOn } from '#domain/hurry.ts'
import { addMs, type WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { lockDaemon } from '#store/economics.ts'
import {
  countIdle,
  hurryWorkUnits,
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
 * Asks a second host for the last runs of a campaign that take much longer than the others did, while proven hosts are idle:
 * whoever comes first decides. Gives the units. Two processes take turns.
 */
export function hurryTails(deps: Pick<JobDeps, 'knex' | 'now'>): Promise<WorkUnitId[]> {
  return inTransaction(deps.knex, async trx => {
    const now = deps.now()
    const idle = await countIdle(trx, addMs(now, -PRESENT_MS), HURRIED_PER_ROUND)
    if (idle === 0 || !(await lockDaemon(trx))) return []
    const tails = await listTails(trx, {
      ...{ now, leasedBefore: addMs(now, -OVERDUE_MS_MIN) },
      ...{ samples: SAMPLES, perCampaign: HURRIED_PER_ROUND },
    })
    const chosen = chooseHurried(tails, idle)
    if (chosen.length === 0) return []
    const locked = await lockWorkUnits(trx, chosen)
    const open = locked.flatMap(({ workUnit: { id, state } }) => (state === 'open' ? [id] : []))
    await hurryWorkUnits(trx, open, now)
    await touchWorkUnits(trx, open, now)
    return open
  })
}

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
    const locked = await lockWorkUnits(
      trx,
      kept.map(({ id }) => id),
    )
    const open = new Set(locked.flatMap(({ workUnit: { id, state } }) => (state === 'open' ? [id] : [])))
    const { toVerifier, toProven } = passOn(
      kept.filter(({ id }) => open.has(id)),
      await verifierRoom(trx, since),
    )
    await demandChecks(
      trx,
      toVerifier.map(id => ({ id, demand: 'sample' })),
    )
    await touchWorkUnits(trx, toVerifier, now)
    return [...toVerifier, ...(await passToProven(trx, toProven))]
  })
}
