import { addMs, type Instant, instant } from '#protocol/units.ts'
import { EXCLUSION_MS } from './trust.ts'

/** What a challenge asks for: `16^digits × cost` iterations are expected until a key begins with so many zeros. */
export interface WorkTerms {
  readonly cost: number // iterations a try
  readonly digits: number // hexadecimal
}

// A try must outweigh what calling the hash costs beside it (0.1 ms in a browser), or a native solver would have the better
// of it; and verifying costs the server one try, so that more tries of less are better: at ten million iterations 0.5 ms.
const COST_MIN = 1_000
const DIGITS_MAX = 3

/** The terms under which solving takes `work` iterations on average, rounded up. */
export function termsOf(work: number): WorkTerms {
  let digits = DIGITS_MAX
  while (digits > 1 && work / 16 ** digits < COST_MIN) digits -= 1
  return { digits, cost: Math.max(1, Math.ceil(work / 16 ** digits)) }
}

/** The iterations that terms ask for on average. */
export const workOf = ({ cost, digits }: WorkTerms): number => 16 ** digits * cost

/** One of the windows in which enrolments without a token are counted. */
export interface EnrolmentWindow {
  /** What is counted: everybody, or a network. */
  readonly scope: string
  readonly since: Instant
  readonly until: Instant
  readonly max: number
}

interface EnrolmentLimits {
  readonly perMinute: number // of all networks together
  readonly perPrefixDay: number
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3600_000

/** The windows an enrolment at `now` counts in. `prefix` null: a network that many people share by design. */
export function enrolmentWindows(
  prefix: string | null,
  { perMinute, perPrefixDay }: EnrolmentLimits,
  now: Instant,
): EnrolmentWindow[] {
  const window = (scope: string, ms: number, max: number): EnrolmentWindow => {
    const since = Math.floor(now / ms) * ms
    return { scope, since: instant(since), until: instant(since + ms), max }
  }
  const all = window('all', MINUTE_MS, perMinute)
  return prefix === null ? [all] : [all, window(`prefix:${prefix}`, DAY_MS, perPrefixDay)]
}

/** How long until the last full window ends, milliseconds; undefined when none is full. `counts` are before the enrolment. */
export function fullFor(
  windows: readonly EnrolmentWindow[],
  counts: ReadonlyMap<string, number>,
  now: Instant,
): number | undefined {
  const full = windows.filter(({ scope, max }) => (counts.get(scope) ?? 0) >= max)
  return full.length === 0 ? undefined : Math.max(...full.map(({ until }) => until - now))
}

const COOL_DOWN_MS_MAX = 30 * DAY_MS

/**
 * Until when nobody enrols from a network without a token after hosts of it were excluded: a day after the last exclusion,
 * doubled for each one more in thirty days, at most thirty days. Undefined: no exclusion holds it back.
 */
export function coolDownUntil(exclusions: readonly Instant[], now: Instant): Instant | undefined {
  const lately = exclusions.filter(at => at > now - EXCLUSION_MS)
  if (lately.length === 0) return undefined
  const ms = Math.min(COOL_DOWN_MS_MAX, DAY_MS * 2 ** (lately.length - 1))
  const until = addMs(instant(Math.max(...lately)), ms)
  return until > now ? until : undefined
}
