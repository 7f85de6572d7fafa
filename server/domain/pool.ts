import type { HostId, Instant, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import { type Patience, partiesOf } from './dispatch.ts'
import type { Lane } from './types.ts'

/** An unsent result that some host of a group may take, as far as it matters who. */
export interface PoolSeat {
  /** `kept`: among the first of its lane; `waiting`: among those that have waited longest in it. */
  readonly shelf: 'kept' | 'waiting'
  readonly lane: Lane
  readonly createdAt: Instant
  readonly resultId: ResultId
  readonly workUnitId: WorkUnitId
  readonly priority: number
  readonly forTrusted: boolean
  readonly fuelMax: number
  readonly engineClass: string
  readonly choices: readonly { readonly engineClass: string }[] | null
  readonly memoryPages: number
  readonly ownerId: UserId
  readonly parties: readonly string[]
  readonly begunBy: readonly HostId[]
}

/** A host that asks for work. */
export interface Seeker {
  readonly hostId: HostId
  readonly userId: string | null
  readonly ownerKey: string
  readonly prefix: string | null
  readonly trusted: boolean
  /** By engine class: the largest unit that it may compute alone; no entry: none. */
  readonly provenFuel: Readonly<Record<string, number>>
  readonly engineClasses: readonly string[]
  readonly memoryPages: number
}

export const isProven = ({ provenFuel }: Pick<Seeker, 'provenFuel'>): boolean =>
  Object.keys(provenFuel).length > 0

/** The lanes in which something may be for such a host: at once, and after it waited. */
export function lanesFor(host: Pick<Seeker, 'trusted' | 'provenFuel'>): Record<PoolSeat['shelf'], Lane[]> {
  if (host.trusted) return { kept: ['verifier'], waiting: ['proven', 'unproven', 'anyone'] }
  if (isProven(host)) return { kept: ['proven', 'anyone'], waiting: ['proven', 'unproven'] }
  return { kept: ['unproven', 'anyone'], waiting: ['proven'] }
}

/**
 * The seats that a host may take, in the order of dispatch: first what is kept for such hosts, then what was kept for others
 * long enough, last what is for anyone. A volunteer gets none of a work unit that its owner or its network is in, and none of
 * its own campaigns; a trusted host what is for trusted ones.
 */
export function seatsFor<S extends PoolSeat>(host: Seeker, pool: readonly S[], patience: Patience): S[] {
  const parties = partiesOf(host)
  const found: { readonly seat: S; readonly turn: number }[] = []
  for (const seat of pool) {
    const turn = turnOf(host, seat, patience)
    if (turn !== undefined && mayCompute(host, seat, parties)) found.push({ seat, turn })
  }
  return found.sort((a, b) => a.turn - b.turn || inOrder(a.seat, b.seat)).map(({ seat }) => seat)
}

const inOrder = (a: PoolSeat, b: PoolSeat): number =>
  b.priority - a.priority || compare(a.workUnitId, b.workUnitId) || compare(a.resultId, b.resultId)
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The rule is mayTake (dispatch.ts), on the shelves of a pool. */
function turnOf(host: Seeker, seat: PoolSeat, { starvedBefore, pairedBefore }: Patience): number | undefined {
  const { shelf, lane, createdAt } = seat
  if (!lanesFor(host)[shelf].includes(lane)) return undefined
  if (host.trusted) return shelf === 'kept' ? 1 : createdAt <= starvedBefore ? 2 : undefined
  const mayStandAlone = seat.fuelMax <= (host.provenFuel[seat.engineClass] ?? -1)
  if (shelf === 'kept' && lane === 'anyone') return 3
  if (shelf === 'kept') return lane === 'unproven' || mayStandAlone ? 1 : undefined
  if (createdAt > pairedBefore) return undefined
  return lane === 'proven' && mayStandAlone ? undefined : 2
}

function mayCompute(host: Seeker, seat: PoolSeat, parties: readonly string[]): boolean {
  const classes = seat.choices?.map(({ engineClass }) => engineClass) ?? [seat.engineClass]
  if (seat.memoryPages > host.memoryPages) return false
  if (!classes.some(engineClass => host.engineClasses.includes(engineClass))) return false
  if (host.trusted) return seat.forTrusted
  return seat.ownerId !== host.userId && !parties.some(party => seat.parties.includes(party))
}
