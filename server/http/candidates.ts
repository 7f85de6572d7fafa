// What the hosts of a group may be given: one look for all of them, and another for those that it does not serve.

import { candidatesFor, candidatesNeeded, type Patience, plentyFor, windowFor } from '#domain/dispatch.ts'
import { lanesFor, type Seeker, seatsFor } from '#domain/pool.ts'
import type { EngineClass } from '#protocol/engine.ts'
import type { HostId } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { type AskingHost, type CandidateRow, lockCandidates } from '#store/dispatch.ts'
import { lockPool, type PoolRow, type PoolTerms } from '#store/pool.ts'

interface Asking extends Seeker {
  readonly engineClasses: readonly EngineClass[]
  /** How many results it may be given. */
  readonly take: number
}

/**
 * What each host may have. One look serves the whole group, into what is kept for such hosts; only where that is not plenty, what
 * others left and what is for anyone is looked at as well. A host that finds too few in both although there may be more, since its
 * owner is in what comes first, is looked up by itself.
 */
export async function candidatesOf(
  trx: Trx,
  seekers: readonly Asking[],
  patience: Patience,
): Promise<ReadonlyMap<HostId, CandidateRow[]>> {
  const takes = seekers.map(({ take }) => take)
  const window = windowFor(takes)
  const kept = await lockPool(trx, { ...poolTerms(seekers, OWN), window }, patience)
  const found = new Map(seekers.map(host => [host.hostId, seatsFor(host, kept, patience)]))
  const scarce = seekers.filter(({ hostId }) => (found.get(hostId)?.length ?? 0) < plentyFor(takes))
  const rest =
    scarce.length === 0 ? [] : await lockPool(trx, { ...poolTerms(scarce, REST), window }, patience)
  const pool = [...kept, ...rest]
  for (const host of scarce) found.set(host.hostId, seatsFor(host, pool, patience))
  const candidates = new Map(
    [...found].map(([hostId, seats]) => [hostId, seats.map(seat => candidateOf(seat, hostId))]),
  )
  const more = clipped(pool, window)
  const short = scarce.filter(
    host =>
      (found.get(host.hostId)?.length ?? 0) < candidatesNeeded(host.take) &&
      shelves(lanesFor(host)).some(shelf => more.has(shelf)),
  )
  for (const { hostId } of short) candidates.set(hostId, [])
  for (const row of await lockCandidates(trx, short.map(asAlone), patience))
    candidates.get(row.hostId)?.push(row)
  return candidates
}

type Lanes = ReturnType<typeof lanesFor>

/** What comes first for a host, and what comes after it. */
const OWN = ({ kept }: Lanes): Lanes => ({ kept: kept.filter(lane => lane !== 'anyone'), waiting: [] })
const REST = ({ kept, waiting }: Lanes): Lanes => ({ kept: kept.filter(lane => lane === 'anyone'), waiting })

const poolTerms = (seekers: readonly Asking[], part: (lanes: Lanes) => Lanes): Omit<PoolTerms, 'window'> => ({
  kept: [...new Set(seekers.flatMap(host => part(lanesFor(host)).kept))],
  waiting: [...new Set(seekers.flatMap(host => part(lanesFor(host)).waiting))],
  engineClasses: [...new Set(seekers.flatMap(({ engineClasses }) => engineClasses))],
  memoryPages: Math.max(...seekers.map(({ memoryPages }) => memoryPages)),
})

const shelves = ({ kept, waiting }: Lanes): string[] => [
  ...kept.map(lane => `kept ${lane}`),
  ...waiting.map(lane => `waiting ${lane}`),
]

/** The shelves of which there may be more than the pool shows. */
function clipped(pool: readonly PoolRow[], window: number): ReadonlySet<string> {
  const counts = new Map<string, number>()
  for (const { shelf, lane } of pool) {
    const name = `${shelf} ${lane}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return new Set([...counts].flatMap(([name, count]) => (count < window ? [] : [name])))
}

const candidateOf = (seat: PoolRow, hostId: HostId): CandidateRow => ({
  ...seat,
  hostId,
  goesOn: seat.begunBy.includes(hostId),
  isNew: seat.parties.length === 0,
})

const asAlone = ({ hostId, userId, ownerKey, prefix, trusted, take, ...host }: Asking): AskingHost => ({
  ...{ hostId, userId, ownerKey, prefix, trusted, provenFuel: host.provenFuel },
  ...{ engineClasses: host.engineClasses, memoryPages: host.memoryPages, limit: candidatesFor(take) },
})
