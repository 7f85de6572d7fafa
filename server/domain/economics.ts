// What the economics daemon goes by (DESIGN §8).

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3600_000

/** Hosts heard in this time count when canaries are supplied. */
export const HEARD_MS = 10 * MINUTE_MS
/** One canary for so many units, once enough hosts are proven to check the others. */
const UNITS_PER_CANARY = 200
/** More that wait for a verifier's core would wait for hours. */
const OPEN_CANARIES_PER_CORE = 4
/** A host whose results wait this long for a check, or that is silent so long with some waiting, has one drawn. */
export const WAITS_MS = 3 * DAY_MS
export const SILENT_MS = DAY_MS

/**
 * How many canaries to make now while proven owners are few: one for each host that nothing proves, as far as the
 * verifier keeps up.
 */
export function canariesWanted(supply: {
  readonly unproven: number
  readonly verifierCores: number
  readonly openCanaries: number
}): number {
  const { unproven, verifierCores, openCanaries } = supply
  return Math.max(0, Math.min(unproven, verifierCores * OPEN_CANARIES_PER_CORE) - openCanaries)
}

/** Whether a unit is a canary of the trickle, given the draw of its id. */
export const isCanary = ([u]: readonly [number, number]): boolean => u < 1 / UNITS_PER_CANARY
