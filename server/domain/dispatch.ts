import type { EngineClass, EngineRates } from '#protocol/engine.ts'
import {
  LEASES_PER_CALL_MAX,
  LEASES_PER_CORE_MAX,
  LEASES_UNTRUSTED_MAX,
  RETRY_AFTER_MS_MAX,
} from '#protocol/limits.ts'
import type { HostId, Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Lane } from './types.ts'

/** A number in [0, 1). */
export type Random = () => number

/**
 * How many more leases a host may be given in this call: what it wants, within what a host may hold, its quota of the
 * day and what a reply carries.
 */
export function leasesAllowed(host: {
  readonly want: number
  readonly held: number
  readonly cores: number
  readonly trusted: boolean
  /** Its streak lets it compute something alone. */
  readonly proven: boolean
  /** It may compute for others at all: neither out of play nor waiting for its self-test. */
  readonly mayCompute: boolean
  readonly dailyQuota: number
  readonly usedToday: number
  readonly resent: number
}): number {
  if (!host.mayCompute) return 0
  const perCores = host.cores * LEASES_PER_CORE_MAX
  const mayHold = host.trusted || host.proven ? perCores : Math.min(perCores, LEASES_UNTRUSTED_MAX)
  // The verifier is the operator's own: a quota would only keep disputes open.
  const quotaLeft = host.trusted ? LEASES_PER_CALL_MAX : host.dailyQuota - host.usedToday
  const room = Math.min(host.want, mayHold - host.held, quotaLeft, LEASES_PER_CALL_MAX - host.resent)
  return Math.max(0, room)
}

/** A host that asks for work, with the unsent results it is eligible for, in the order of dispatch. */
export interface Asking {
  readonly hostId: HostId
  readonly ownerKey: string
  /** The network it calls from; null: one that many people share by design. */
  readonly prefix: string | null
  readonly take: number
  readonly candidates: readonly Candidate[]
}

interface Candidate {
  readonly resultId: ResultId
  readonly workUnitId: WorkUnitId
  /** What the host would compute it as; absent where nobody chooses. */
  readonly engineClass?: EngineClass
  /** The host computed the same run to an earlier rung, and nobody else is at this one. */
  readonly goesOn?: boolean
  /** The host has its data at hand, and nobody is at the unit. */
  readonly atHand?: boolean
}

export interface Assignment {
  readonly hostId: HostId
  readonly resultId: ResultId
}

// Wide enough that two hosts which call in turn do not always meet in the same work units, narrow enough that the oldest
// work is not left behind.
const MIX = 8

/**
 * Deals results to hosts one at a time in turn, each drawn at random from the first few that the host may have, so
 * that pairs of owners mix. No result is dealt twice, and no owner and no network gets two results of one work unit,
 * and whoever comes after the first computes it in the same class. Among the
 * few, a run that the host goes on with comes first, then one whose data it has: only as the first replica, so that who checks it is
 * drawn as ever, whatever a host says of itself.
 */
export function deal(asking: readonly Asking[], random: Random): Assignment[] {
  const taken = new Set<ResultId>()
  const partiesIn = new Map<WorkUnitId, Set<string>>()
  const classOf = new Map<WorkUnitId, EngineClass | undefined>()
  const dealt: Assignment[] = []
  const isFree = (host: Asking, c: Candidate): boolean =>
    !taken.has(c.resultId) &&
    (!classOf.has(c.workUnitId) || classOf.get(c.workUnitId) === c.engineClass) &&
    !partiesOf(host).some(party => partiesIn.get(c.workUnitId)?.has(party))
  for (let round = 0, progress = true; progress; round++) {
    progress = false
    for (const host of asking) {
      if (round >= host.take) continue
      const few = firstFew(host.candidates, c => isFree(host, c))
      const fresh = few.filter(c => !partiesIn.has(c.workUnitId))
      const preferred = [fresh.filter(c => c.goesOn === true), fresh.filter(c => c.atHand === true)]
      const choice = pick(preferred.find(own => own.length > 0) ?? few, random)
      if (choice === undefined) continue
      progress = true
      taken.add(choice.resultId)
      const parties = partiesIn.get(choice.workUnitId) ?? new Set()
      partiesIn.set(choice.workUnitId, parties.union(new Set(partiesOf(host))))
      classOf.set(choice.workUnitId, choice.engineClass)
      dealt.push({ hostId: host.hostId, resultId: choice.resultId })
    }
  }
  return dealt
}

/** Classes that a host offers, with the FLOPs a second that it measured, where it did. */
export interface Offer {
  readonly engineClasses: readonly EngineClass[]
  readonly engineRates: EngineRates
}

/**
 * As what a host computes a unit that is of several classes still: the fastest that it offers. A class in which the run would
 * not end before its deadline, by the host's own rate, is left out; undefined: none is left.
 */
export function classFor(
  choices: readonly { readonly engineClass: EngineClass; readonly fuelMax: number }[],
  { engineClasses, engineRates }: Offer,
  deadlineMs: number,
): EngineClass | undefined {
  const rateOf = (engineClass: EngineClass): number => engineRates[engineClass] ?? 0
  const fitting = choices.filter(({ engineClass, fuelMax }) => {
    if (!engineClasses.includes(engineClass)) return false
    const rate = engineClass === 'wasm' ? 0 : rateOf(engineClass) // the kernel is bounded by instructions, not by FLOPs
    return rate === 0 || (fuelMax / rate) * 1_000 <= deadlineMs
  })
  return fitting.toSorted((a, b) => rateOf(b.engineClass) - rateOf(a.engineClass))[0]?.engineClass
}

/** Who counts as one with a host: its owner, and its network unless many share that by design. */
export const partiesOf = ({ ownerKey, prefix }: Pick<Asking, 'ownerKey' | 'prefix'>): string[] =>
  prefix === null ? [ownerKey] : [ownerKey, `network:${prefix}`]

/** How many candidates to look up for a host that may take `take`: enough that the draw has its window to the end. */
export const candidatesFor = (take: number): number => take * 4 + MIX

/** Below so many a host's candidates are not all that there are, unless there are no more. */
export const candidatesNeeded = (take: number): number => take + MIX

function firstFew(candidates: readonly Candidate[], isFree: (c: Candidate) => boolean): Candidate[] {
  const free: Candidate[] = []
  for (const candidate of candidates) {
    if (isFree(candidate)) free.push(candidate)
    if (free.length === MIX) break
  }
  return free
}

const pick = <T>(from: readonly T[], random: Random): T | undefined =>
  from[Math.floor(random() * from.length)]

// A host that has had nothing for a minute asks again after about a quarter of one.
const IDLE_SHARE = 0.25

/**
 * When the host may ask for work again, milliseconds: soon while there is some, later the longer it was given nothing, up to
 * a minute; always with ±20 % of jitter, so that hosts do not march in step.
 */
export function retryAfter(
  facts: { readonly idleMs: number; readonly retryMinMs: number },
  random: Random,
): number {
  const wished = Math.min(RETRY_AFTER_MS_MAX, Math.max(facts.retryMinMs, facts.idleMs * IDLE_SHARE))
  return Math.round(wished * (0.8 + 0.4 * random()))
}

/** An unsent replica of a unit, as far as it matters who takes it. */
export interface Seat {
  readonly lane: Lane
  readonly waitedMs: number
}

/**
 * Whether a host may take an unsent result (DESIGN §8: owners are paired at random, strangers with proven hosts). A result
 * is kept for its lane until it has waited for `patience`; then any volunteer may have it, and when it has starved a
 * trusted host as well. Whether its owner is in the unit already is for the caller to know.
 */
export function mayTake(
  host: { readonly trusted: boolean; readonly proven: boolean },
  { lane, waitedMs }: Seat,
  patience: { readonly pairMs: number; readonly starveMs: number },
): boolean {
  if (host.trusted) return lane === 'verifier' || waitedMs >= patience.starveMs
  if (lane === 'verifier') return false
  if (lane === 'anyone' || (lane === 'proven') === host.proven) return true
  return waitedMs >= patience.pairMs
}

/** Until when a result was created to be no longer kept. */
export interface Patience {
  /** What was created until then may be computed by a trusted host. */
  readonly starvedBefore: Instant
  /** What was created until then is kept for nobody. */
  readonly pairedBefore: Instant
}

/** An owner counts as present this long after its host was last heard. */
export const PRESENT_MS = 10 * 60_000

/** How long a replica is kept for its lane, milliseconds. */
export const pairAfter = (provenOwnersSeen: number, pairMs: number): number =>
  provenOwnersSeen < OWNERS_FOR_QUORUM ? 0 : pairMs

// Below this many owners no quorum of strangers comes together, so that waiting for one is pointless.
export const OWNERS_FOR_QUORUM = 3

/** How long a replica waits for volunteers before a trusted host may compute it, milliseconds. */
export const starveAfter = (ownersSeen: number, starveMs: number): number =>
  ownersSeen < OWNERS_FOR_QUORUM ? 0 : starveMs
