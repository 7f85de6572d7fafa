import { createHmac } from 'node:crypto'
import { createChallenge, verifySolution } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import type { Request, RequestHandler } from 'express'
import {
  coolDownUntil,
  type EnrolmentWindow,
  enrolmentWindows,
  fullFor,
  termsOf,
  workOf,
} from '#domain/enrolment.ts'
import { CHALLENGE_MS } from '#protocol/limits.ts'
import { addMs, fromWire, type Instant, toWire } from '#protocol/units.ts'
import { EnrolChallenge, type EnrolWork } from '#protocol/work.ts'
import type { Trx } from '#store/database.ts'
import {
  countEnrolment,
  type EnrolmentCounts,
  readEnrolments,
  readExclusionsOf,
  spendChallenge,
} from '#store/enrolments.ts'
import type { Executor } from '#store/rows.ts'
import type { Network } from './address.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** The key under which challenges are signed: servers that share the secret honour each other's. */
export const challengeKey = (serverSecret: string): string =>
  createHmac('sha256', serverSecret).update('xeenet/enrolment-challenge/1').digest('hex')

/** GET /hosts/challenge: work for who wants to enrol without a token, unless it would be in vain. */
export function issueChallenge(edge: Edge, networkOf: (req: Request) => Network): RequestHandler {
  return async (req, res) => {
    const now = edge.now()
    const network = networkOf(req)
    await refuseWhileCooling(edge.knex, network, now)
    const windows = enrolmentWindows(network.prefix, edge.settings, now)
    refuseWhenFull(windows, await readEnrolments(edge.knex, windows), now)
    res.json(await newChallenge(edge, now))
  }
}

// The library's own expiry is by this machine's clock; ours is handed down, and is signed like everything else.
export async function newChallenge(edge: Edge, now: Instant): Promise<EnrolChallenge> {
  const { cost, digits } = termsOf(edge.settings.enrolWork)
  const challenge = await createChallenge({
    ...{ algorithm: 'PBKDF2/SHA-256', cost, keyPrefix: '0'.repeat(digits), deriveKey },
    ...{ hmacSignatureSecret: edge.challengeKey, data: { expiresAt: toWire(addMs(now, CHALLENGE_MS)) } },
  })
  // The library leaves fields without a value in it; the wire has none.
  return EnrolChallenge.parse(JSON.parse(JSON.stringify(challenge)))
}

/** Whether work is ours, in time, hard enough and done. Throws `Refused`. Costs one try of the challenge. */
export async function verifyWork(edge: Edge, work: EnrolWork | undefined, now: Instant): Promise<EnrolWork> {
  if (work === undefined) throw new Refused('challenge_required')
  const { challenge, solution } = work
  const { parameters } = challenge
  if (fromWire(parameters.data.expiresAt) < now) throw new Refused('challenge_expired')
  const terms = { cost: parameters.cost, digits: parameters.keyPrefix.length }
  if (workOf(terms) < workOf(termsOf(edge.settings.enrolWork)))
    throw new Refused('challenge_invalid', 'it is easier than what is asked for now')
  const verdict = await verifySolution({
    ...{ challenge, solution: { ...solution, time: 0 }, deriveKey },
    hmacSignatureSecret: edge.challengeKey,
  })
  if (verdict.invalidSignature) throw new Refused('challenge_invalid', 'this server did not make it')
  if (!verdict.verified) throw new Refused('challenge_invalid', 'the solution does not solve it')
  return work
}

/**
 * Takes the challenge and a place in every window, in the transaction that adds the host: one that fails costs neither.
 * Throws `Refused`.
 */
export async function admitAnonymous(
  trx: Trx,
  edge: Edge,
  { work, network, now }: { work: EnrolWork; network: Network; now: Instant },
): Promise<void> {
  await refuseWhileCooling(trx, network, now)
  await takeWork(trx, { work, windows: enrolmentWindows(network.prefix, edge.settings, now), now })
}

/** Spends a challenge and counts in these windows. Throws `Refused`. */
export async function takeWork(
  trx: Trx,
  { work, windows, now }: { work: EnrolWork; windows: readonly EnrolmentWindow[]; now: Instant },
): Promise<void> {
  const { nonce, data } = work.challenge.parameters
  if (!(await spendChallenge(trx, { nonce, expiresAt: fromWire(data.expiresAt) })))
    throw new Refused('challenge_spent')
  refuseWhenFull(windows, await countEnrolment(trx, windows), now)
}

// Whoever was excluded does not start again within the hour. A network that many people share is not held to account.
async function refuseWhileCooling(on: Executor, { prefix }: Network, now: Instant): Promise<void> {
  if (prefix === null) return
  const until = coolDownUntil(await readExclusionsOf(on, prefix, now), now)
  if (until === undefined) return
  const detail = `hosts of this network were excluded: without a token none enrols before ${toWire(until)}`
  throw new Refused('rate_limited', detail, { retryAfterMs: until - now })
}

/** Throws `Refused` while as many enrolled in one of these windows as may. */
export function refuseWhenFull(
  windows: readonly EnrolmentWindow[],
  counts: EnrolmentCounts,
  now: Instant,
): void {
  const waitMs = fullFor(windows, counts, now)
  if (waitMs === undefined) return
  throw new Refused('rate_limited', 'as many hosts enrolled without a token as may', {
    retryAfterMs: waitMs,
  })
}
