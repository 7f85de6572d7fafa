import type { Request, RequestHandler } from 'express'
import { type ChangedHost, RenameBody } from '#protocol/people.ts'
import { HostId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { addHostEvents, type HostRow, readHost, renameHost, retireHosts } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { requireOwn } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** PUT /hosts/:id/name */
export function rename(edge: Edge): RequestHandler {
  return async (req, res) => {
    const host = await hostOfCaller(edge, req)
    const { name } = parse(RenameBody, parseJson(bodyOf(req)))
    await renameHost(edge.knex, host.id, name)
    const view: ChangedHost = { id: host.id, name, state: host.state }
    res.json(view)
  }
}

/** POST /hosts/:id/retire: for good; what it computes now is given to others. Twice is once. */
export function retire(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { id, name, state } = await hostOfCaller(edge, req)
    if (state === 'quarantined') throw new Refused('host_barred', 'an exclusion is not ended by retiring')
    const now = edge.now()
    if (state !== 'retired')
      await inTransaction(edge.knex, async trx => {
        const woken = await freeLeases(trx, [id], now)
        await retireHosts(trx, [id])
        await addHostEvents(trx, [{ hostId: id, event: 'retired', detail: 'by its user' }], now)
        await edge.wake.workUnits(trx, woken)
      })
    const view: ChangedHost = { id, name, state: 'retired' }
    res.json(view)
  }
}

/** The host in the address, if it belongs to who calls: logged in, or by a token that may enrol others. */
async function hostOfCaller(edge: Edge, req: Request): Promise<HostRow> {
  const { userId } = await requireOwn(edge, req, 'enrol', 'campaign')
  const host = await readHost(edge.knex, parse(HostId, req.params.id, 'not_found'))
  if (host === undefined || host.userId !== userId) throw new Refused('not_found')
  return host
}
