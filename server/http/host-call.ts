import { timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import {
  CALL_HEADER,
  callBytes,
  callWithReportsBytes,
  HOST_HEADER,
  REPORTS_HEADER,
  SIGNATURE_HEADER,
} from '#protocol/host.ts'
import type { SigningCall } from '#protocol/report-signature.ts'
import { SignatureText } from '#protocol/signature.ts'
import { HostId, Sha256 } from '#protocol/units.ts'
import { findHostKeys, spendCall } from '#store/hosts.ts'
import { tokenHash } from '#store/tokens.ts'
import { tokenOf } from './auth.ts'
import type { Edge } from './edge.ts'
import { isSignedBy, type KnownHost, withKey } from './host-key.ts'
import { parse, Refused } from './problem.ts'

/** A call that really comes from the host it names. Whether it is a replay is for the transaction to say. */
export interface SignedCall {
  readonly host: KnownHost
  readonly call: number
  readonly bodySha256: Sha256
  /** Of a call that signs its reports: the root over them that it signed, and what proves them if that is true. */
  readonly signs: { readonly root: Sha256; readonly by: SigningCall } | null
}

const Headers = z.object({
  [HOST_HEADER]: HostId,
  [CALL_HEADER]: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  [SIGNATURE_HEADER]: SignatureText,
  [REPORTS_HEADER]: Sha256.optional(),
})

/**
 * Says who really made a call. `bodySha256` is that of the bytes that came, or of those that are said to come.
 * Throws `Refused`.
 */
export type HostCallReader = (req: Request, bodySha256: Sha256) => Promise<SignedCall>

/** Makes the check of signed calls; it remembers the keys of hosts, which never change. */
export function hostCallReader(edge: Edge): HostCallReader {
  const keysOf = rememberKeys(edge)
  return async (req, bodySha256) => {
    const token = tokenOf(req)
    if (token === undefined) throw new Refused('token_missing')
    const headers = parse(Headers, req.headers)
    const host = await keysOf(headers[HOST_HEADER])
    if (host === undefined || !sameText(tokenHash(token), host.tokenHash)) throw new Refused('token_unknown')
    const { [CALL_HEADER]: call, [SIGNATURE_HEADER]: signature, [REPORTS_HEADER]: root } = headers
    const bytes = callBytes({
      serverId: edge.serverId,
      hostId: host.id,
      call,
      method: methodOf(req),
      path: req.originalUrl,
      bodySha256,
    })
    const signs = root === undefined ? null : { root, by: { call: sha256Of(bytes), signature } }
    const signed = signs === null ? bytes : callWithReportsBytes({ call: signs.by.call, reports: signs.root })
    if (!isSignedBy(host, signed, signature)) throw new Refused('signature_invalid')
    return { host, call, bodySha256, signs }
  }
}

/**
 * Spends the number of a call beside the scheduler, before it changes anything: whoever recorded it cannot say it again.
 * A host that lost the reply asks under a higher number. Throws `Refused`.
 */
export async function spend(edge: Edge, { host, call }: SignedCall): Promise<void> {
  if (!(await spendCall(edge.knex, { id: host.id, call }))) throw new Refused('call_replayed')
}

const methodOf = (req: Request): 'POST' | 'PUT' | 'GET' =>
  parse(z.enum(['POST', 'PUT', 'GET']), req.method, 'method_not_allowed')

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

// About 10 MB; beyond it the oldest entries cost a query again.
const HOSTS_REMEMBERED = 20_000

function rememberKeys(edge: Edge): (id: HostId) => Promise<KnownHost | undefined> {
  const known = new Map<HostId, KnownHost>()
  return async id => {
    const remembered = known.get(id)
    if (remembered !== undefined) return remembered
    const found = await findHostKeys(edge.knex, id)
    if (found === undefined) return undefined
    const [oldest] = known.keys()
    if (known.size >= HOSTS_REMEMBERED && oldest !== undefined) known.delete(oldest)
    const host = withKey(found)
    known.set(id, host)
    return host
  }
}
