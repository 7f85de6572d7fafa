import type { Request } from 'express'
import { sha256Of } from '#domain/hash.ts'
import { HOST_HEADER } from '#protocol/host.ts'
import { HostId, type UserId } from '#protocol/units.ts'
import { type HostRow, readHost } from '#store/hosts.ts'
import { callerIfAny } from './auth.ts'
import { bodyOf } from './body.ts'
import type { Edge } from './edge.ts'
import type { HostCallReader, SignedCall } from './host-call.ts'
import { parse, Refused } from './problem.ts'

/** A host, and who speaks for it: itself, by a signed call, or the user it belongs to. */
export interface OwnHost {
  readonly host: HostRow
  readonly userId: UserId | null // null: the host itself
  /** The host's own call; absent when its user speaks. */
  readonly signed?: SignedCall
}

/** Who speaks for the host in the address; undefined when nobody says so. Throws `Refused`. */
export async function ownHostOf(
  edge: Edge,
  req: Request,
  readCall: HostCallReader,
): Promise<OwnHost | undefined> {
  const id = parse(HostId, req.params.id, 'not_found')
  const host = await readHost(edge.knex, id)
  if (host === undefined) throw new Refused('not_found')
  if (req.headers[HOST_HEADER] !== undefined) {
    const signed = await readCall(req, sha256Of(bodyOf(req)))
    if (signed.host.id !== id) throw new Refused('signature_invalid', 'another host signed this call')
    return { host, userId: null, signed }
  }
  const caller = await callerIfAny(edge, req)
  return caller !== undefined && caller.userId === host.userId ? { host, userId: caller.userId } : undefined
}
