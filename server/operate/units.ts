import { cancelWorkUnit } from '#domain/transition.ts'
import { applyDecisions } from '#jobs/apply.ts'
import type { UnitAct } from '#protocol/acts.ts'
import { ACT_UNITS_MAX } from '#protocol/limits.ts'
import type { WorkUnitId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { matchUnits, takeLeases } from '#store/unit-filter.ts'
import { demandChecks, type LoadedWorkUnit, lockWorkUnits } from '#store/work-units.ts'
import { type ActDeps, ActRefused, type Plan } from './deps.ts'

const SAMPLE = 5

const SENTENCES: Readonly<Record<UnitAct['kind'], string>> = {
  cancel_units:
    'end without an answer: what is being computed may still be reported and is paid, the rest goes back',
  requeue_units: 'lose their leases, without a mark against the hosts, and are handed out again',
  revalidate_units: 'are computed again by the verifier, and re-opened if it finds another answer',
  unstick_units: 'are looked at now, whatever they wait for',
}

/** What is done to the work units of a filter, all of them in one transaction. */
export const unitPlan = (act: UnitAct): Plan => ({
  subject: null,
  look: async (trx, deps) => {
    const matched = await matchedBy(trx, deps, act)
    return {
      touches: matched.length,
      sentence: `${matched.length} work units ${SENTENCES[act.kind]}`,
      sample: matched.slice(0, SAMPLE),
      inverse: null,
    }
  },
  do: async (trx, deps) => {
    const ids = (await matchedBy(trx, deps, act)).map(({ id }) => id)
    const loaded = await lockWorkUnits(trx, ids)
    const touched = await change(trx, deps, act, loaded)
    await deps.wake.workUnits(trx, touched)
    return touched.length
  },
})

async function matchedBy(trx: Trx, deps: ActDeps, { kind, filter }: UnitAct) {
  const matched = await matchUnits(trx, kind, filter, { now: deps.now(), limit: ACT_UNITS_MAX + 1 })
  if (matched.length === 0) throw new ActRefused('act_pointless', 'no work unit fits the filter')
  if (matched.length > ACT_UNITS_MAX)
    throw new ActRefused('act_too_large', `more than ${ACT_UNITS_MAX} work units fit the filter`)
  return matched
}

/** Changes locked units; gives those that it changed, to be looked at. */
async function change(
  trx: Trx,
  deps: ActDeps,
  { kind, filter }: UnitAct,
  loaded: readonly LoadedWorkUnit[],
): Promise<WorkUnitId[]> {
  const now = deps.now()
  const all = loaded.map(({ workUnit }) => workUnit)
  const idsOf = (state: 'open' | 'valid') => all.filter(unit => unit.state === state).map(({ id }) => id)
  switch (kind) {
    case 'cancel_units': {
      const decisions = loaded
        .filter(({ workUnit }) => workUnit.state === 'open')
        .map(({ workUnit, results }) => ({ workUnit, effects: cancelWorkUnit(workUnit, results, now) }))
      // What they ask for is asked for again when they are looked at, a moment later.
      await applyDecisions(trx, { ids: deps.ids, enqueue: async () => undefined }, decisions, now)
      return decisions.map(({ workUnit }) => workUnit.id)
    }
    case 'requeue_units':
      await takeLeases(trx, { workUnitIds: idsOf('open'), hostId: filter.hostId ?? null }, now)
      return idsOf('open')
    case 'revalidate_units': {
      const valid = idsOf('valid')
      await demandChecks(
        trx,
        valid.map(id => ({ id, demand: 'audit' as const })),
        now,
      )
      return valid
    }
    case 'unstick_units':
      return all.map(({ id }) => id)
  }
}
