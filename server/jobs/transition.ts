import { transition } from '#domain/transition.ts'
import { inTransaction } from '#store/database.ts'
import { lockWorkUnits } from '#store/work-units.ts'
import { applyDecisions } from './apply.ts'
import type { WorkUnitHandler } from './deps.ts'

/** Moves work units on: expires, creates, fails, and asks for validation or publication (DESIGN §6). */
export const runTransition: WorkUnitHandler = (deps, ids) =>
  inTransaction(deps.knex, async trx => {
    const loaded = await lockWorkUnits(trx, ids)
    const now = deps.now()
    const decisions = loaded.map(({ workUnit, results }) => ({
      workUnit,
      effects: transition(workUnit, results, now),
    }))
    await applyDecisions(trx, deps, decisions, now)
  })
