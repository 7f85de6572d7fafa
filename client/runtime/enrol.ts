import { solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/web/pbkdf2'
import type { EnrolBody, EnrolReply } from '#protocol/host.ts'
import { fingerprint } from '#protocol/signature.ts'
import { EnrolChallenge, type EnrolWork } from '#protocol/work.ts'
import { ask, type Endpoint, enrol, Refusal } from './api.ts'

// Half of what a challenge lives: whoever is not done by then starts better with a new one.
const SOLVE_MS_MAX = 5 * 60_000
// A challenge that expired while a laptop slept, or went with a lost reply: a new one does. More than that is no accident.
const CHALLENGES_MAX = 3

export interface EnrolHooks {
  /** Before work that takes so many hash iterations on average. */
  readonly onWork?: (iterations: number) => void
}

/**
 * Enrols with the endpoint's token; without one, against the work that the server asks for.
 * @throws Refusal, Unreachable
 */
export async function enrolHost(
  endpoint: Endpoint,
  body: Omit<EnrolBody, 'work'>,
  hooks: EnrolHooks = {},
): Promise<EnrolReply> {
  if (endpoint.token !== undefined) return enrol(endpoint, body)
  for (let taken = 1; ; taken++) {
    const work = await solve(endpoint, hooks)
    try {
      return await enrol(endpoint, { ...body, ...(work === undefined ? {} : { work }) })
    } catch (error) {
      if (!isAboutWork(error) || taken === CHALLENGES_MAX) throw error
    }
  }
}

/** The id of a key of the server that has another fingerprint than its name says; undefined if there is none. */
export async function misnamedKey({ kernelKeys }: EnrolReply): Promise<string | undefined> {
  for (const { keyId, publicKey } of kernelKeys) if ((await fingerprint(publicKey)) !== keyId) return keyId
  return undefined
}

/** A new challenge, solved; undefined when it took too long. */
async function solve(endpoint: Endpoint, { onWork }: EnrolHooks): Promise<EnrolWork | undefined> {
  const challenge = await ask(endpoint, EnrolChallenge, { method: 'GET', path: '/api/v1/hosts/challenge' })
  const { cost, keyPrefix } = challenge.parameters
  onWork?.(16 ** keyPrefix.length * cost)
  const solution = await solveChallenge({ challenge, deriveKey, timeout: SOLVE_MS_MAX })
  if (solution === null) return undefined
  return { challenge, solution: { counter: solution.counter, derivedKey: solution.derivedKey } }
}

const ABOUT_WORK = ['challenge_required', 'challenge_invalid', 'challenge_expired', 'challenge_spent']

const isAboutWork = (error: unknown): boolean =>
  error instanceof Refusal && ABOUT_WORK.includes(error.problem.code)
