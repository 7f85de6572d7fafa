import { newWorkUnit } from '#domain/campaign.ts'
import { fuelBoundOf } from '#domain/rungs.ts'
import { transition } from '#domain/transition.ts'
import { drawn, drawSample } from '#domain/trust.ts'
import { LAST_RUNG, type Recipe, type Rung, rungsUntil } from '#protocol/job.ts'
import type { ExperimentId, Instant } from '#protocol/units.ts'
import type { CampaignPlan } from '#search/plan.ts'
import { buildRun, type RunSource } from '#search/space.ts'
import { answerFromCorpus } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import type { ProgressRow } from '#store/progress.ts'
import { refreshScores } from '#store/scores.ts'
import { insertWorkUnits, type NewWorkUnit } from '#store/work-units.ts'
import { applyDecisions } from './apply.ts'
import type { JobDeps } from './deps.ts'

/** A campaign that is locked, and what its runs are made of. */
export interface Growth {
  readonly trx: Trx
  readonly deps: JobDeps
  readonly campaign: ProgressRow
  readonly plan: Pick<CampaignPlan, 'fuelMax' | 'limit' | 'pruner'>
  readonly source: RunSource
  readonly now: Instant
}

/** A run that the campaign does not have yet. */
export interface NewRun {
  readonly experimentId: ExperimentId
  readonly recipe: Recipe
  readonly seedIndex: number
  /** How far it goes; without it to the end. */
  readonly rung?: Rung
}

/** Creates the work units of these runs; gives how many of them the corpus did not answer. */
export async function createUnits(growth: Growth, runs: readonly NewRun[]): Promise<number> {
  const { trx, deps, campaign, plan, source, now } = growth
  const { quorum, policy } = campaign.file.replicate
  const engineClass = source.manifest.engine
  const units: NewWorkUnit[] = []
  for (const { experimentId, recipe, seedIndex, rung = LAST_RUNG } of runs) {
    const id = deps.ids.workUnit(now)
    const fuelMax = fuelBoundOf(plan.limit, plan.fuelMax, rung)
    const workUnit = newWorkUnit({
      ...{ id, campaignId: campaign.id, experimentId, engineClass, policy, quorum, fuelMax },
      deadlineMs: campaign.file.deadline_ms,
      check: drawSample(drawn(deps.secret, 'sample', id), deps.trust),
    })
    // Whole runs of a campaign that stops runs early know rungs as well: they are what its prefixes are prefixes of.
    const rungs = plan.pruner === 'none' ? undefined : rungsUntil(rung)
    const run = await buildRun(source, recipe, seedIndex, rungs)
    units.push({ workUnit, seedIndex, rung, ...run, kernelSha256: source.moduleSha256 })
  }
  await insertWorkUnits(trx, units, now)
  const ids = units.map(({ workUnit }) => workUnit.id)
  const answered = new Set(await answerFromCorpus(trx, ids, now))
  await refreshScores(
    trx,
    units.flatMap(({ workUnit: { id, experimentId } }) => (answered.has(id) ? [experimentId] : [])),
  )
  const decisions = units
    .filter(({ workUnit }) => !answered.has(workUnit.id))
    .map(({ workUnit }) => ({ workUnit, effects: transition(workUnit, [], now) }))
  await applyDecisions(trx, deps, decisions, now)
  return decisions.length
}
