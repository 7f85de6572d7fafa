// What an operator sets, and what the economics daemon goes by; the same in memory and in PostgreSQL.

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** For a grid whose queue is hours long: the verifier's cores are for checks. */
export const STARVE_MS = 48 * HOUR_MS

/** A seat is kept for its lane so long. */
export const PAIR_MS = 2 * HOUR_MS

export const FUEL = 50e9 // of one run: 500 milli-credits
/** A run outlasts the night that its host sleeps through. */
export const DEADLINE_MS = DAY_MS

/** An owner counts as present this long after its host was last heard, as in the server. */
export const PRESENT_MS = 10 * MINUTE_MS
/** Canaries while proven owners are few: one for each host heard in this time. */
export const HEARD_MS = 30 * MINUTE_MS
export const PROVEN_OWNERS_FEW = 10
/** Else one for so many units. */
export const UNITS_PER_CANARY = 200
export const OPEN_CANARIES_PER_CORE = 4
/** A host whose results wait this long for a check, or that is silent so long with some waiting, has one drawn. */
export const WAITS_MS = 5 * DAY_MS
export const SILENT_MS = DAY_MS
