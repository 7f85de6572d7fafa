import { newWorkUnit } from '#domain/campaign.ts'
import { invariant } from '#domain/invariant.ts'
import { priceOfGflop } from '#domain/prices.ts'
import { fuelBoundOf } from '#domain/rungs.ts'
import { transition } from '#domain/transition.ts'
import { drawn, drawSample } from '#domain/trust.ts'
import { isExact } from '#protocol/engine.ts'
import { LAST_RUNG, type Recipe, type Rung, rungsUntil } from '#protocol/job.ts'
import type { ExperimentId, Instant, Sha256 } from '#protocol/units.ts'
import type { CampaignPlan } from '#search/plan.ts'
import { buildRun, type Run, type RunSource } from '#search/space.ts'
import { answerFromCorpus, knownRunKeys } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import { insertWorkUnits, type NewWorkUnit } from '#store/new-units.ts'
import type { ProgressRow } from '#store/progress.ts'
import { refreshScores } from '#store/scores.ts'
import type { UnitClass } from '#store/unit-classes.ts'
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
  const built = runs.map(({ experimentId, recipe, seedIndex, rung = LAST_RUNG }) => {
    // Whole runs of a campaign that stops runs early know rungs as well: they are what its prefixes are prefixes of.
    const rungs = plan.pruner === 'none' ? undefined : rungsUntil(rung)
    return { experimentId, seedIndex, rung, run: buildRun(source, recipe, seedIndex, rungs) }
  })
  const several = built.flatMap(({ run }) => (run.classes.length > 1 ? run.classes : []))
  const known = await knownRunKeys(
    trx,
    several.map(({ runKey }) => runKey),
  )
  const units = built.map(({ experimentId, seedIndex, rung, run }): NewWorkUnit => {
    const id = deps.ids.workUnit(now)
    const fuelMax = fuelBoundOf(plan.limit, plan.fuelMax, rung)
    const classes = classesOf(run, fuelMax, known)
    const { engineClass, runKey, ...first } = classes[0]
    const workUnit = newWorkUnit({
      ...{ id, campaignId: campaign.id, experimentId, engineClass, policy, quorum },
      ...{ fuelMax: first.fuelMax, flops: run.flops, deadlineMs: campaign.file.deadline_ms },
      check: drawSample(drawn(deps.secret, 'sample', id), deps.trust),
    })
    const wake = transition(workUnit, [], now).find(effect => effect.type === 'wake')
    return {
      ...(wake === undefined ? {} : { wakeAt: wake.at }),
      ...{ workUnit, seedIndex, rung, job: run.job, runKey, seed: run.seed },
      kernelSha256: source.moduleSha256,
      priceMilli: run.flops === null ? null : first.priceMilli,
      exactKey: run.exactKey,
      choices: classes.length > 1 ? classes : null,
    }
  })
  await insertWorkUnits(trx, units, now)
  const ids = units.map(({ workUnit }) => workUnit.id)
  const answered = new Set(await answerFromCorpus(trx, ids, now))
  await refreshScores(
    trx,
    units.flatMap(({ workUnit: { id, experimentId } }) => (answered.has(id) ? [experimentId] : [])),
  )
  const decisions = units
    .filter(({ workUnit }) => !answered.has(workUnit.id))
    .map(({ workUnit }) => ({
      workUnit,
      effects: transition(workUnit, [], now).filter(({ type }) => type !== 'wake'), // written with the unit
    }))
  await applyDecisions(trx, deps, decisions, now)
  return decisions.length
}

/**
 * What a unit is in each class that it may be of. What the corpus knows in one of them is not computed in another; the kernel's
 * own answer comes before that of any other class.
 */
function classesOf(run: Run, fuelMax: number, known: ReadonlySet<Sha256>): [UnitClass, ...UnitClass[]] {
  const [first, ...others] = run.classes.map(({ engineClass, runKey }) => ({
    ...{ engineClass, runKey, priceMilli: priceOfGflop(engineClass) },
    fuelMax: engineClass === 'wasm' ? fuelMax : (run.flops ?? fuelMax),
  }))
  invariant(first !== undefined, 'a run has a class')
  const all: [UnitClass, ...UnitClass[]] = [first, ...others]
  const answered = all.filter(({ runKey }) => known.has(runKey))
  const best = answered.find(({ engineClass }) => isExact(engineClass)) ?? answered[0]
  return best === undefined ? all : [best]
}
