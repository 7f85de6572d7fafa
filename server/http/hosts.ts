import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { EnrolBody, type EnrolReply, HostView } from '#protocol/host.ts'
import { DAILY_QUOTA_START, PROTOCOL_VERSION } from '#protocol/limits.ts'
import { HostId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { insertHost, type NewHost } from '#store/hosts.ts'
import { takeHostOfKey } from '#store/keys.ts'
import { newTokenText, tokenHash } from '#store/tokens.ts'
import { readHostView } from '#store/views.ts'
import type { Network } from './address.ts'
import { type Caller, callerIfAny, hasScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { admitAnonymous, verifyWork } from './challenge.ts'
import { readCredits } from './credits.ts'
import type { Edge } from './edge.ts'
import type { HostCallReader } from './host-call.ts'
import { ownHostOf } from './own-host.ts'
import { publicState, viewOwn } from './people.ts'
import { parse, Refused } from './problem.ts'

/**
 * POST /hosts: enrols a host, anonymous against a solved challenge, or for the user of an enrolment token. A token of scope
 * verify makes it trusted.
 */
export function enrol(edge: Edge, networkOf: (req: Request) => Network): RequestHandler {
  return async (req, res) => {
    const body = readBody(req)
    const caller = await callerIfAny(edge, req)
    if (caller !== undefined && !hasScope(caller, 'enrol', 'verify'))
      throw new Refused('scope_missing', 'needs the scope enrol or verify')
    const now = edge.now()
    const network = networkOf(req)
    const work = caller === undefined ? await verifyWork(edge, body.work, now) : undefined
    const id = edge.ids.host(now)
    const token = newTokenText('host')
    const host: NewHost = {
      id,
      ...ownership({ id, caller, network }),
      name: body.name ?? generatedName(id),
      publicKey: body.publicKey,
      tokenHash: tokenHash(token),
      client: body.client,
      engineClasses: body.engineClasses,
      cores: body.cores,
      memoryMiB: body.memoryMiB,
      dailyQuota: DAILY_QUOTA_START,
      now,
    }
    await inTransaction(edge.knex, async trx => {
      if (work !== undefined) await admitAnonymous(trx, edge, { work, network, now })
      if ((await insertHost(trx, host)) === 'key_taken') throw new Refused('key_taken')
      if (caller !== undefined && caller.tokenId !== null && caller.hostsLeft !== null)
        if (!(await takeHostOfKey(trx, caller.tokenId))) throw new Refused('key_used_up')
    })
    const { serverId } = edge
    const kernelKeys = [...(await edge.kernelKeys())]
    const reply: EnrolReply = {
      serverId,
      hostId: id,
      userId: host.userId,
      name: host.name,
      token,
      kernelKeys,
    }
    edge.log.info({ hostId: id, name: host.name, trusted: host.trusted }, 'a host enrolled')
    res.status(201).json(reply)
  }
}

const Dated = z.object({ protocol: z.int() })

// An old client is told so before its body is measured by a schema that it cannot know.
function readBody(req: Request): EnrolBody {
  const value = parseJson(bodyOf(req))
  const dated = Dated.safeParse(value)
  if (dated.success && dated.data.protocol < PROTOCOL_VERSION) throw new Refused('protocol_too_old')
  return parse(EnrolBody, value)
}

interface Enrolling {
  readonly id: HostId
  readonly caller: Caller | undefined
  readonly network: Network
}

/** Who counts as the owner: the user; of an anonymous host its network, unless many people share that by design. */
function ownership({
  id,
  caller,
  network: { prefix },
}: Enrolling): Pick<NewHost, 'userId' | 'trusted' | 'ownerKey' | 'prefix'> {
  if (caller?.scopes.includes('verify'))
    return { userId: caller.userId, trusted: true, ownerKey: 'platform', prefix }
  if (caller !== undefined)
    return { userId: caller.userId, trusted: false, ownerKey: `user:${caller.userId}`, prefix }
  const ownerKey = prefix === null ? `host:${id}` : `prefix:${prefix}`
  return { userId: null, trusted: false, ownerKey, prefix }
}

// A name without a trace of the machine or its owner.
const ANIMALS =
  'badger crane dingo eland finch gecko heron ibex jackal koala lynx marten newt otter puffin quail raven seal tapir urchin vole wombat yak zebu'.split(
    ' ',
  )

function generatedName(id: HostId): string {
  const tail = id.slice(-5)
  const animal = ANIMALS[Number.parseInt(tail, 36) % ANIMALS.length] ?? 'owl'
  return `${animal}-${tail.slice(-4)}`
}

/** GET /hosts/:id: what anyone may know of a host, and more for the host itself and for its user. */
export function showHost(edge: Edge, readCall: HostCallReader): RequestHandler {
  return async (req, res) => {
    const view = await readHostView(edge.knex, parse(HostId, req.params.id, 'not_found'))
    if (view === undefined) throw new Refused('not_found')
    const own = await ownHostOf(edge, req, readCall)
    if (own === undefined) res.json(HostView.parse({ ...view, state: await publicState(edge, view) }))
    else {
      const creditOf = await readCredits(edge.knex, [view])
      res.json(HostView.parse({ ...view, credit: creditOf(view), own: await viewOwn(edge, own.host) }))
    }
  }
}
