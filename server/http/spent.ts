import type { RequestHandler } from 'express'
import { ENERGY_ASSUMPTIONS, ENERGY_FORMULA, wattHours } from '#domain/energy.ts'
import type { SpentView } from '#protocol/spent.ts'
import { toWire } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { countSpent, readSpent } from '#store/spent.ts'
import type { Edge } from './edge.ts'
import { newKept } from './kept.ts'

// Of what came since the totals were counted it reads every result: so often that nobody can make it read more.
const KEPT_MS = 30_000

/** What was spent, as of a moment ago. */
export type Spent = () => Promise<SpentView>

/** Counts for all readers of a process together. */
export function newSpent(edge: Edge): Spent {
  const kept = newKept<'spent', SpentView>(edge.now, { forMs: KEPT_MS, most: 1 })
  return () => kept.get('spent', 0, () => spent(edge))
}

/** GET /spent */
export const showSpent =
  (spent: Spent): RequestHandler =>
  async (_req, res) =>
    void res.json(await spent())

async function spent(edge: Edge): Promise<SpentView> {
  const now = edge.now()
  await inTransaction(edge.knex, trx => countSpent(trx, now))
  const row = await readSpent(edge.knex, now)
  return {
    at: toWire(now),
    ...{ results: row.results, gfuel: row.gfuel, coreHours: row.coreHours },
    wattHours: wattHours(row.coreHours),
    ...{ formula: ENERGY_FORMULA, assumptions: [...ENERGY_ASSUMPTIONS] },
    lastDay: { results: row.dayResults, gfuel: row.dayGfuel, coreHours: row.dayCoreHours },
    queue: { unsent: row.unsent, inProgress: row.inProgress },
    ...{ hosts: row.hosts, cores: row.cores },
  }
}
