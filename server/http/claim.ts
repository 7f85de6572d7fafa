import type { RequestHandler } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { ClaimBody, type ClaimReply } from '#protocol/people.ts'
import { HostId, type UserId } from '#protocol/units.ts'
import { claimHost } from '#store/claims.ts'
import { inTransaction } from '#store/database.ts'
import { callerInBrowser, callerWith } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { type HostCallReader, spend } from './host-call.ts'
import { parse, Refused } from './problem.ts'

/**
 * POST /hosts/:id/claim: an anonymous host joins an account. Both agree: the host signs the call, and the user's token is in
 * it, or the browser that sends it is logged in. Repeating it changes nothing.
 */
export function claim(edge: Edge, readCall: HostCallReader): RequestHandler {
  return async (req, res) => {
    const id = parse(HostId, req.params.id, 'not_found')
    const bytes = bodyOf(req)
    const signed = await readCall(req, sha256Of(bytes))
    if (signed.host.id !== id) throw new Refused('signature_invalid', 'another host signed this call')
    const { userToken } = parse(ClaimBody, parseJson(bytes))
    const { userId, hostsLeft } =
      userToken === undefined ? await callerInBrowser(edge, req) : await callerWith(edge, userToken, 'enrol')
    if (hostsLeft !== null)
      throw new Refused('scope_missing', 'a key for so many machines enrols new ones only')
    await spend(edge, signed)
    res.json(await claimPatiently(edge, id, userId))
  }
}

// The host may be given work between the moment its work units are locked and the moment it is itself.
const ATTEMPTS_MAX = 3

async function claimPatiently(edge: Edge, hostId: HostId, userId: UserId): Promise<ClaimReply> {
  const now = edge.now()
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const outcome = await inTransaction(edge.knex, async trx => {
      const outcome = await claimHost(trx, { hostId, userId, now })
      if (outcome.type === 'claimed') {
        await edge.wake.workUnits(trx, outcome.woken)
        await edge.wake.hosts(trx, [hostId])
      }
      return outcome
    })
    if (outcome.type === 'refused') throw new Refused(outcome.code)
    if (outcome.type === 'again') continue
    const { movedMilli, voided } = outcome
    edge.log.info({ hostId, userId, movedMilli, voided }, 'a host was claimed')
    return { hostId, userId, movedMilli, voided }
  }
  throw new Refused('unavailable', 'the host is being given work')
}
