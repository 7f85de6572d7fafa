import type { RequestHandler } from 'express'
import {
  type HostResult,
  type HostResultList,
  HostResultsQuery,
  type HostTicks,
} from '#protocol/host-results.ts'
import { HOST_TICK_SLOT_MS, HOST_TICKS_HOURS } from '#protocol/limits.ts'
import { addMs, type ExperimentId, HostId, toWire } from '#protocol/units.ts'
import { type HostResultRow, listHostResults, listHostTicks } from '#store/host-results.ts'
import { readHost } from '#store/hosts.ts'
import { withheldAmong } from '#store/withheld.ts'
import type { Edge } from './edge.ts'
import type { HostCallReader } from './host-call.ts'
import { newKept } from './kept.ts'
import { ownHostOf } from './own-host.ts'
import { parse, Refused } from './problem.ts'
import { viewTick } from './ticks.ts'

/** GET /hosts/:id/results: of public runs for everybody, of all for the host itself and for its user. What is withheld makes a page shorter. */
export function showHostResults(edge: Edge, readCall: HostCallReader): RequestHandler {
  return async (req, res) => {
    const hostId = parse(HostId, req.params.id, 'not_found')
    const { limit, after = null } = parse(HostResultsQuery, req.query)
    const own = (await ownHostOf(edge, req, readCall)) !== undefined
    const rows = await listHostResults(edge.knex, { hostId, own, after, limit: limit + 1 })
    const shown = rows.slice(0, limit)
    const nextAfter = rows.length > limit ? (shown.at(-1)?.id ?? null) : null
    const hidden = own ? NOTHING : await withheldOf(edge, shown)
    const results = shown.filter(({ experimentId }) => !hidden.has(experimentId)).map(viewResult)
    const view: HostResultList = { results, own, nextAfter }
    res.json(view)
  }
}

const NOTHING: ReadonlySet<ExperimentId> = new Set()

async function withheldOf(
  { knex, trust }: Edge,
  rows: readonly HostResultRow[],
): Promise<ReadonlySet<ExperimentId>> {
  const campaigns = [...new Set(rows.map(({ campaignId }) => campaignId))]
  return new Set(await withheldAmong(knex, campaigns, trust.rules))
}

const viewResult = ({ campaignId: id, title, sentAt, ...row }: HostResultRow): HostResult => ({
  ...row,
  campaign: { id, title },
  sentAt: toWire(sentAt),
})

// As of campaigns (ticks.ts): a page that is looked at by many costs one reading.
const KEPT_MS = 2_000
const HOSTS_KEPT = 200

/** GET /hosts/:id/ticks */
export function showHostTicks(edge: Edge): RequestHandler {
  const kept = newKept<HostId, HostTicks>(edge.now, { forMs: KEPT_MS, most: HOSTS_KEPT })
  return async (req, res) => {
    const id = parse(HostId, req.params.id, 'not_found')
    if ((await readHost(edge.knex, id)) === undefined) throw new Refused('not_found')
    res.json(await kept.get(id, 0, () => ticksOf(edge, id)))
  }
}

async function ticksOf({ knex, now: clock }: Edge, hostId: HostId): Promise<HostTicks> {
  const now = clock()
  const since = addMs(now, -HOST_TICKS_HOURS * 3600_000)
  const rows = await listHostTicks(knex, { hostId, since, slotMs: HOST_TICK_SLOT_MS })
  return { hostId, since: toWire(since), now: toWire(now), ticks: rows.map(viewTick) }
}
