import { PRESENT_MS } from '#domain/dispatch.ts'
import {
  chooseAudit,
  chooseCanaries,
  HEARD_MS,
  PROVEN_OWNERS_FEW,
  SILENT_MS,
  WAITS_MS,
} from '#domain/economics.ts'
import { drawn } from '#domain/trust.ts'
import { addMs, type WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { listUntouched, listWaiting, lockDaemon, makeCanaries, readSupply } from '#store/economics.ts'
import { countProvenOwners } from '#store/streaks.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { demandChecks, lockWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

type DaemonDeps = Pick<JobDeps, 'knex' | 'now' | 'secret'>

const UNTOUCHED_PER_ROUND = 2_000
const AUDITS_PER_ROUND = 500

/**
 * Sees to it that newcomers meet units whose answer is known: one each while proven owners are few, else one unit in two
 * hundred, drawn under the secret. Gives the units that became canaries. Two processes take turns.
 */
export function supplyCanaries(deps: DaemonDeps): Promise<WorkUnitId[]> {
  return inTransaction(deps.knex, async trx => {
    if (!(await lockDaemon(trx))) return []
    const now = deps.now()
    const provenOwners = await countProvenOwners(trx, addMs(now, -PRESENT_MS), PROVEN_OWNERS_FEW)
    const supply = { provenOwners, ...(await readSupply(trx, addMs(now, -HEARD_MS))) }
    const untouched = await listUntouched(trx, UNTOUCHED_PER_ROUND)
    const chosen = chooseCanaries(untouched, supply, id => drawn(deps.secret, 'canary', id))
    if (chosen.length === 0) return []
    await lockWorkUnits(trx, chosen)
    const made = await makeCanaries(trx, chosen)
    await touchWorkUnits(trx, made, now)
    return made
  })
}

/**
 * Has the verifier look at one provisional result, drawn under the secret, of each host that waits too long for its next
 * check or went away: what passes makes all its earlier ones final, what does not re-opens them. Gives the units.
 */
export function drawAudits(deps: DaemonDeps): Promise<WorkUnitId[]> {
  return inTransaction(deps.knex, async trx => {
    if (!(await lockDaemon(trx))) return []
    const now = deps.now()
    const [waitsSince, silentSince] = [addMs(now, -WAITS_MS), addMs(now, -SILENT_MS)]
    const waiting = await listWaiting(trx, { waitsSince, silentSince, limit: AUDITS_PER_ROUND })
    const drawOf = (id: WorkUnitId) => drawn(deps.secret, `audit ${now}`, id)
    const wanted = waiting.flatMap(({ units }) => chooseAudit(units, drawOf) ?? [])
    const locked = await lockWorkUnits(trx, wanted)
    const valid = locked.flatMap(({ workUnit: { id, state } }) => (state === 'valid' ? [id] : []))
    await demandChecks(
      trx,
      valid.map(id => ({ id, demand: 'audit' })),
      now,
    )
    await touchWorkUnits(trx, valid, now)
    return valid
  })
}
