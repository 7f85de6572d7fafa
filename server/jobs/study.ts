import { newWorkUnit } from '#domain/campaign.ts'
import { invariant } from '#domain/invariant.ts'
import { fuelBoundOf } from '#domain/rungs.ts'
import { transition } from '#domain/transition.ts'
import { drawn, drawSample } from '#domain/trust.ts'
import type { ExperimentId, Sha256 } from '#protocol/units.ts'
import { insertWorkUnits, type NewWorkUnit } from '#store/new-units.ts'
import { insertExperiments, type NewExperiment } from '#store/progress.ts'
import { readStudy, type StudyRun } from '#store/studies.ts'
import { applyDecisions } from './apply.ts'
import type { Growth } from './create-units.ts'

/**
 * Creates all of a study at once: an experiment for each recipe and a work unit for each original, whose job is the original's, byte
 * for byte. The corpus, which knows the answers, is not asked: they are what is put to the test.
 */
export async function startStudy(growth: Growth): Promise<void> {
  const { trx, deps, campaign, now } = growth
  const runs = await readStudy(trx, campaign.id)
  const experiments = new Map<Sha256, NewExperiment>()
  for (const { recipe, recipeSha256 } of runs) {
    if (experiments.has(recipeSha256)) continue
    const ordinal = experiments.size
    experiments.set(recipeSha256, {
      ...{ id: deps.ids.experiment(now), ordinal, recipe, recipeSha256, asked: 0 },
      ...{ proposer: null, promotions: 0 },
      ...{ revision: campaign.revision, proposerId: null },
    })
  }
  await insertExperiments(trx, campaign.id, [...experiments.values()], now)
  const units = runs.map(run => {
    const experiment = experiments.get(run.recipeSha256)
    invariant(experiment !== undefined, 'each recipe has its experiment')
    return unitOf(growth, run, experiment.id)
  })
  await insertWorkUnits(trx, units, now)
  const decisions = units.map(({ workUnit }) => ({ workUnit, effects: transition(workUnit, [], now) }))
  await applyDecisions(trx, deps, decisions, now)
}

function unitOf(
  { deps, campaign, plan, source, now }: Growth,
  run: StudyRun,
  experimentId: ExperimentId,
): NewWorkUnit {
  const { study, deadline_ms: deadlineMs } = campaign.file
  invariant(study !== undefined, 'a campaign of type replicate has a study')
  const { number: seedIndex, rung, seed, job, runKey } = run
  const id = deps.ids.workUnit(now)
  const workUnit = newWorkUnit({
    ...{ id, campaignId: campaign.id, experimentId, engineClass: source.manifest.engine, deadlineMs },
    ...{ policy: 'fixed', quorum: study.runs, fuelMax: fuelBoundOf(plan.limit, plan.fuelMax, rung) },
    check: drawSample(drawn(deps.secret, 'sample', id), deps.trust),
  })
  const kernelSha256 = source.moduleSha256
  const ofWasm = { priceMilli: null, exactKey: null, choices: null }
  return { workUnit, seedIndex, rung, seed, job, runKey, kernelSha256, ...ofWasm, independent: true }
}
