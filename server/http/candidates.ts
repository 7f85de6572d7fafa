// What the hosts of a group may be given: one look for all of them, and another for those that it does not serve.

import { candidatesFor, candidatesNeeded, type Patience } from '#domain/dispatch.ts'
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
 * What each host may have. One look serves the whole group, and another one where too little of it is for them; a host that finds
 * too few although there may be more, since its owner is in what comes first, is looked up by itself.
 */
export async function candidatesOf(
  trx: Trx,
  seekers: readonly Asking[],
  patience: Patience,
): Promise<ReadonlyMap<HostId, Candidate[]>> {
  const lanes = seekers.map(lanesFor)
  const look = async (terms: PoolTerms) => {
    const pool = await lockPool(trx, terms, patience)
    const seats = new Map(seekers.map(host => [host.hostId, seatsFor(host, pool, patience)]))
    return { seats, more: clipped(pool) }
  }
  const terms = poolTerms(seekers, lanes)
  const first = await look(terms)
  const volunteers = seekers.filter(host => !host.trusted) // nothing is looked up again for the others: theirs is another lane
  const usable = new Set(
    volunteers.flatMap(({ hostId }) => first.seats.get(hostId) ?? []).map(seat => seat.resultId),
  )
  const isEnough = usable.size >= volunteers.reduce((sum, { take }) => sum + take, 0)
  const { seats, more } =
    isEnough || !first.more.has('kept anyone') ? first : await look({ ...terms, all: true })
  const candidateOf = candidates()
  const found = new Map(
    [...seats].map(([hostId, own]) => [hostId, own.map(seat => candidateOf(seat, hostId))] as const),
  )
  const short = seekers.filter(
    (host, i) =>
      (found.get(host.hostId)?.length ?? 0) < candidatesNeeded(host.take) &&
      shelves(lanes[i]).some(shelf => more.has(shelf)),
  )
  const hosts = short.map(asAlone)
  for (const { hostId } of hosts) found.set(hostId, [])
  for (const { hostId, ...row } of await lockCandidates(trx, hosts, patience)) found.get(hostId)?.push(row)
  return found
}

type Lanes = ReturnType<typeof lanesFor>

const poolTerms = (seekers: readonly Asking[], lanes: readonly Lanes[]): PoolTerms => ({
  takes: {
    proven: takeOf('proven', seekers, lanes),
    unproven: takeOf('unproven', seekers, lanes),
    verifier: takeOf('verifier', seekers, lanes),
  },
  spare: candidatesNeeded(Math.max(0, ...seekers.map(({ take }) => take))),
  all: false,
  kept: [...new Set(lanes.flatMap(({ kept }) => kept))],
  waiting: [...new Set(lanes.flatMap(({ waiting }) => waiting))],
  engineClasses: [...new Set(seekers.flatMap(({ engineClasses }) => engineClasses))],
  memoryPages: Math.max(...seekers.map(({ memoryPages }) => memoryPages)),
})

const takeOf = (own: Lanes['kept'][number], seekers: readonly Asking[], lanes: readonly Lanes[]): number =>
  seekers.reduce((sum, { take }, i) => (lanes[i]?.kept.includes(own) === true ? sum + take : sum), 0)

const shelves = (lanes: Lanes | undefined): string[] => [
  ...(lanes?.kept ?? []).map(lane => `kept ${lane}`),
  ...(lanes?.waiting ?? []).map(lane => `waiting ${lane}`),
]

/** The shelves of which there may be more than the pool shows. */
function clipped(pool: readonly PoolRow[]): ReadonlySet<string> {
  const shown = Map.groupBy(pool, ({ shelf, lane }) => `${shelf} ${lane}`)
  return new Set(
    [...shown].flatMap(([name, rows]) => (rows.some(row => rows.length >= row.limit) ? [name] : [])),
  )
}

/** What a host may be given, but for who that is. */
export type Candidate = Omit<CandidateRow, 'hostId'>

/** Makes candidates of seats: the same one for every host of a group but those that go on with the run, since each has hundreds. */
function candidates(): (seat: PoolRow, hostId: HostId) => Candidate {
  const shared = new Map<PoolRow, Candidate>()
  return (seat, hostId) => {
    const candidate = shared.get(seat) ?? { ...seat, goesOn: false, isNew: seat.parties.length === 0 }
    shared.set(seat, candidate)
    return seat.begunBy.includes(hostId) ? { ...candidate, goesOn: true } : candidate
  }
}

const asAlone = ({ hostId, userId, ownerKey, prefix, trusted, take, ...host }: Asking): AskingHost => ({
  ...{ hostId, userId, ownerKey, prefix, trusted, provenFuel: host.provenFuel },
  ...{ engineClasses: host.engineClasses, memoryPages: host.memoryPages, limit: candidatesFor(take) },
})
