import type { Limit, Rung } from '#protocol/job.ts'
import type { Pruner } from '#protocol/space.ts'

// Of the fuel of a whole run. A prefix has made a 27th, a ninth, a third of the updates and is evaluated once, twice, three
// times; beside that it pays the first update twice, since the plan is made from it. These hold wherever the plan has ten
// updates and an evaluation costs no more than one, with room; what a coarser prefix costs beyond them is not paid.
const BOUNDS = [1 / 3, 1 / 2, 2 / 3] as const

// Of charlm on small texts (ops/LOG.md, rungs): 6 to 8 and 15 to 18 %; the third is reckoned like them.
const TYPICAL = [0.08, 0.18, 0.42] as const

// Which share of the experiments comes to each rung, as the rule of each pruner has it: a third, a half; of Hyperband a third inside
// each bracket, where 55, 24, 12 and 8 % begin at one of the four rungs.
const REACH = {
  asha: [1, 1 / 3, 1 / 9, 1 / 27],
  median: [1, 1 / 2, 1 / 4, 1 / 8],
  hyperband: [0.55, 0.43, 0.26, 0.17],
} as const

const PREFIXES = [0, 1, 2] as const

/**
 * The most fuel that is set aside and paid for a run to the end of a rung. Where the limit counts updates nothing is known of
 * its fuel but the kernel's bound, which then stands for every rung: it is the cap at which a run traps, and no run may trap
 * that would not have without rungs.
 */
export function fuelBoundOf(limit: Limit, fuelMax: number, rung: Rung): number {
  const share = 'fuel' in limit ? (BOUNDS[rung] ?? 1) : 1
  return Math.ceil(fuelMax * share)
}

/** Work units of one kind: what each costs at most, and how many there are at most and likely. */
export interface UnitsPlanned {
  readonly fuelMax: number
  readonly workUnits: number
  /** Whole runs in fuel that these units likely take, all together. */
  readonly likelyRuns: number
}

/** Work units that are run whole. */
export const wholeRuns = (workUnits: number, fuelMax: number): readonly UnitsPlanned[] => [
  { fuelMax, workUnits, likelyRuns: workUnits },
]

export interface ByRung {
  /** Seeds of experiments, each of which may come to every rung. */
  readonly experimentUnits: number
  /** Work units that no pruner stops. */
  readonly wholeUnits: number
  readonly limit: Limit
  readonly fuelMax: number
  readonly pruner: Pruner
}

/** The work units of a campaign by rung: all experiments may come to every rung; likely most are stopped before. */
export function plannedByRung(terms: ByRung): readonly UnitsPlanned[] {
  const { experimentUnits, wholeUnits, limit, fuelMax, pruner } = terms
  const all = experimentUnits + wholeUnits
  if (pruner === 'none') return wholeRuns(all, fuelMax)
  const reach = REACH[pruner]
  const prefixes = PREFIXES.map(rung => ({
    fuelMax: fuelBoundOf(limit, fuelMax, rung),
    workUnits: experimentUnits,
    likelyRuns: experimentUnits * reach[rung] * TYPICAL[rung],
  }))
  const likelyRuns = wholeUnits + experimentUnits * reach[3]
  return [...prefixes, { fuelMax, workUnits: all, likelyRuns }]
}
