import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX } from '#protocol/limits.ts'
import { Refused } from './problem.ts'

interface Cost {
  readonly memory: number // KiB
  readonly passes: number
  readonly parallelism: number
}

// OWASP's Password Storage Cheat Sheet (2026): argon2id with 19 MiB, two passes, one lane. 55 ms on a core of 2023. Raising them
// raises those of an account at its next login.
const COST: Cost = { memory: 19_456, passes: 2, parallelism: 1 }
const SALT_BYTES = 16
const TAG_BYTES = 32

const derive = promisify(argon2)

/** A password as it is stored: argon2id with its parameters, in the PHC string format. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  return phc(COST, salt, await tagOf(password, salt, COST, TAG_BYTES))
}

/**
 * Whether a password is the stored one; `stale` when it should be stored again under the parameters of now. Without a stored one it takes
 * as long and is not it: from how long an answer takes nobody learns which accounts exist.
 */
export async function checkPassword(
  stored: string | undefined,
  password: string,
): Promise<{ readonly ok: boolean; readonly stale: boolean }> {
  const { cost, salt, tag } = parsed(stored ?? NOBODY)
  const same = timingSafeEqual(await tagOf(password, salt, cost, tag.length), tag)
  const stale = COST_NAMES.some(name => cost[name] !== COST[name])
  return { ok: same && stored !== undefined, stale }
}

const COST_NAMES = ['memory', 'passes', 'parallelism'] as const

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '')

const phc = ({ memory, passes, parallelism }: Cost, salt: Uint8Array, tag: Uint8Array): string =>
  `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`

// Of no password: nobody knows one that gives this.
const NOBODY = phc(COST, randomBytes(SALT_BYTES), randomBytes(TAG_BYTES))

function parsed(text: string): { cost: Cost; salt: Buffer; tag: Buffer } {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(text)
  if (match === null) throw new Error('a stored password is not in the PHC format')
  const [, memory, passes, parallelism, salt = '', tag = ''] = match
  return {
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}

// Composed, so that an accent typed on another keyboard is the same one.
const tagOf = (password: string, nonce: Buffer, cost: Cost, tagLength: number): Promise<Buffer> =>
  queued(() =>
    derive('argon2id', { ...cost, nonce, tagLength, message: Buffer.from(password.normalize('NFKC')) }),
  )

const HASH_RETRY_MS = 2_000
let running = 0
const waiting: (() => void)[] = []

/** Runs on a thread of libuv, a few at once: however many people log in, files and look-ups get their turn and memory is bounded. */
async function queued<T>(work: () => Promise<T>): Promise<T> {
  if (waiting.length >= HASHES_WAITING_MAX)
    throw new Refused('unavailable', 'too many passwords are being checked', { retryAfterMs: HASH_RETRY_MS })
  if (running >= HASHES_AT_ONCE_MAX) await new Promise<void>(resolve => waiting.push(resolve))
  else running += 1
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next() // its turn is passed on, and stays counted
  }
}
