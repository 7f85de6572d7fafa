import { nameKey } from '#domain/names.ts'
import { PASSWORD_CHARS_MIN } from '#protocol/limits.ts'
import { addMs, type Instant } from '#protocol/units.ts'

// Who guesses, and how long one waits for the next guess. The waits are long enough that a password of ten random characters stands for
// centuries, and short enough that its owner, mistyping, hardly notices.

/** How guesses of one kind are bounded. */
interface Throttle {
  readonly free: number // wrong ones that cost nothing
  readonly firstMs: number // the wait after the next one; each further one doubles it
  readonly mostMs: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Wrong guesses are forgotten when the last is so long ago. */
export const ATTEMPTS_MS = 24 * HOUR_MS

const THROTTLES = {
  // Strangers can make it wait, but no longer than this; a browser that was logged in is counted by itself.
  account: { free: 5, firstMs: 2_000, mostMs: 5 * MINUTE_MS },
  // A household or a school behind one address mistypes, too.
  address: { free: 20, firstMs: 2_000, mostMs: 15 * MINUTE_MS },
  browser: { free: 10, firstMs: 2_000, mostMs: 15 * MINUTE_MS },
  // Codes of eight letters that live for ten minutes.
  code: { free: 10, firstMs: 5_000, mostMs: 15 * MINUTE_MS },
} as const satisfies Record<string, Throttle>

export type AttemptKind = keyof typeof THROTTLES

export interface Attempts {
  readonly kind: AttemptKind
  readonly failures: number
  readonly lastAt: Instant
}

/** From when on one more guess is allowed. */
export function freeAt({ kind, failures, lastAt }: Attempts): Instant {
  const { free, firstMs, mostMs } = THROTTLES[kind]
  if (failures <= free) return lastAt
  return addMs(lastAt, Math.min(mostMs, firstMs * 2 ** Math.min(failures - free - 1, 30)))
}

/** How long until a guess that counts in all of these is allowed, milliseconds; 0: now. */
export function waitFor(attempts: readonly Attempts[], now: Instant): number {
  const known = attempts.filter(({ failures, lastAt }) => failures > 0 && lastAt > now - ATTEMPTS_MS)
  return Math.max(0, ...known.map(one => freeAt(one) - now))
}

/** The number of wrong guesses after one more. */
export const countedOn = ({ failures, lastAt }: Attempts, now: Instant): number =>
  lastAt > now - ATTEMPTS_MS ? failures + 1 : 1

// The shortest that people choose most, of those that are long enough for us.
const COMMON =
  /^(.)\1+$|^(?:1234567890|0987654321|qwertyuiop|qwerty12345?6?|password\d*!?|passw0rd\d*|iloveyou\d*|letmein\d*|administrator|q1w2e3r4t5y?6?|1q2w3e4r5t6?y?|abcdefghij\w*|changeme\d*|welcome\d*!?|sunshine\d*|football\d*|superman\d*|princess\d*)$/i
const DIFFERENT_MIN = 5

/** What is wrong with a password somebody chooses; undefined when nothing is. */
export function passwordFault(password: string, name: string): string | undefined {
  const characters = [...password]
  if (characters.length < PASSWORD_CHARS_MIN) return `it is shorter than ${PASSWORD_CHARS_MIN} characters`
  if (new Set(characters).size < DIFFERENT_MIN)
    return `it has fewer than ${DIFFERENT_MIN} different characters`
  if (COMMON.test(password)) return 'it is one of those that are tried first'
  if (nameKey(password).includes(nameKey(name)) && characters.length < PASSWORD_CHARS_MIN + [...name].length)
    return 'it is little more than the name'
  return undefined
}

type Role = 'volunteer' | 'researcher' | 'operator'
type SessionScope = 'read' | 'enrol' | 'propose' | 'campaign' | 'kernel' | 'admin'

const SCOPES_OF = {
  volunteer: ['read', 'enrol'],
  researcher: ['read', 'enrol', 'propose', 'campaign', 'kernel'],
  operator: ['read', 'enrol', 'propose', 'campaign', 'kernel', 'admin'],
} as const satisfies Record<Role, readonly SessionScope[]>

/** What a person of these roles may do when logged in. */
export function scopesOf(roles: readonly Role[]): SessionScope[] {
  return [...new Set(roles.flatMap((role): readonly SessionScope[] => SCOPES_OF[role]))]
}
