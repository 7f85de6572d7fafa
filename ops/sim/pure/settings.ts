// What an operator sets; the same in memory and in PostgreSQL.

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS

/** For a grid whose queue is hours long: the verifier's cores are for checks. */
export const STARVE_MS = 48 * HOUR_MS

/** A seat is kept for its lane so long. */
export const PAIR_MS = 2 * HOUR_MS

export const FUEL = 50e9 // of one run: 500 milli-credits
/** A run outlasts the night that its host sleeps through. */
export const DEADLINE_MS = DAY_MS
