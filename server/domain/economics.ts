// What the economics daemon goes by (DESIGN §8), and what it decides.

import type { WorkUnitId } from '#protocol/units.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3600_000

/** Hosts heard in this time count when canaries are supplied. */
export const HEARD_MS = 30 * MINUTE_MS
/** With fewer proven owners present, newcomers find nobody to confirm them: each gets a canary. */
export const PROVEN_OWNERS_FEW = 10
/** One canary for so many units, once enough hosts are proven to check the others. */
const UNITS_PER_CANARY = 200
/** More that wait for a verifier's core would wait for hours. */
const OPEN_CANARIES_PER_CORE = 4
/** A host whose results wait this long for a check, or that is silent so long with some waiting, has one drawn. */
export const WAITS_MS = 5 * DAY_MS
export const SILENT_MS = DAY_MS

/** The two draws of a unit in [0, 1), under the server's secret. */
type DrawOf = (id: WorkUnitId) => readonly [number, number]

/** What the supply of canaries depends on. */
export interface Supply {
  /** Owners present with a host that is proven; counting may stop at PROVEN_OWNERS_FEW. */
  readonly provenOwners: number
  /** Volunteers' hosts heard lately that nothing proves. */
  readonly unproven: number
  /** Of the verifiers heard lately. */
  readonly verifierCores: number
  readonly openCanaries: number
}

/**
 * Which of these untouched units become canaries now: while proven owners are few one for each host that nothing proves, as
 * far as the verifier keeps up; else one in two hundred. The draws decide, so that nobody can foresee it.
 */
export function chooseCanaries(
  untouched: readonly WorkUnitId[],
  supply: Supply,
  drawOf: DrawOf,
): WorkUnitId[] {
  const { provenOwners, unproven, verifierCores, openCanaries } = supply
  if (provenOwners >= PROVEN_OWNERS_FEW)
    return verifierCores > 0 ? untouched.filter(id => drawOf(id)[0] < 1 / UNITS_PER_CANARY) : []
  const wanted = Math.max(0, Math.min(unproven, verifierCores * OPEN_CANARIES_PER_CORE) - openCanaries)
  if (wanted === 0) return []
  return untouched.toSorted((a, b) => drawOf(a)[0] - drawOf(b)[0]).slice(0, wanted)
}

/** Which of the units that stand provisionally by one host the verifier looks at: that with the least draw of the moment. */
export function chooseAudit(units: readonly WorkUnitId[], drawOf: DrawOf): WorkUnitId | undefined {
  const drawn = units.map(id => ({ id, draw: drawOf(id)[0] }))
  return drawn.toSorted((a, b) => a.draw - b.draw)[0]?.id
}
