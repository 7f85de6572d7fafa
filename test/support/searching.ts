import type { RunReport } from '#protocol/report.ts'
import type { CampaignId, HostId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { readPromotions } from '#store/proposers.ts'
import { readClimbs, readReports, readTrials } from '#store/search.ts'
import { type Lifecycle, lie, report, reportOnly, rows, runJobs, take } from './lifecycle.ts'
import { one } from './trusting.ts'

/** The exponent of the best rate. */
export const BEST = -2

interface Computed {
  readonly recipe: { readonly lr: number; readonly width: number }
  readonly rung: number
}

const bowl = ({ recipe, rung }: Computed): RunReport =>
  lie(3 + (Math.log10(recipe.lr) - BEST) ** 2 + (recipe.width === 16 ? 0.1 : 0) + (3 - rung))

/** Computes what the host is given until it is given nothing, or `most` times; gives how many runs that were. */
export async function computeAll(
  life: Lifecycle,
  host: HostId,
  of: (run: Computed) => RunReport = bowl,
  most = Infinity,
): Promise<number> {
  for (let runs = 0; ; runs++) {
    if (runs === most) return runs
    const [id] = await take(life, host)
    if (id === undefined) return runs
    const run = await one(
      life,
      `select e.recipe, w.rung from results r join work_units w on w.id = r.work_unit_id
       join experiments e on e.id = w.experiment_id where r.id = '${id}'`,
    )
    await report(life, host, [id], of(run))
  }
}

/** As `computeAll`, many runs at a time: the jobs look once after each handful. */
export async function computeInBatches(
  life: Lifecycle,
  host: HostId,
  of: (run: Computed & { readonly seed: number }) => RunReport,
): Promise<void> {
  for (;;) {
    const ids = await take(life, host, BATCH)
    if (ids.length === 0) return
    const runs = await rows(
      life,
      `select r.id, e.recipe, w.rung, w.seed_index as seed from results r join work_units w on w.id = r.work_unit_id
       join experiments e on e.id = w.experiment_id where r.id in (${ids.map(id => `'${id}'`).join(', ')})`,
    )
    for (const { id, ...run } of runs) await reportOnly(life, host, [id], of(run))
    await runJobs(life)
  }
}

const BATCH = 16

/** What the sampler of a campaign was told, and who went on. */
export const historyOf = (life: Lifecycle, id: CampaignId) =>
  inTransaction(life.knex, async trx => ({
    trials: await readTrials(trx, id),
    reports: await readReports(trx, id),
    climbs: await readClimbs(trx, id),
    promotions: await readPromotions(trx, id),
  }))
