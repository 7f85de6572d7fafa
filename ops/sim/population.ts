import { coolDownUntil } from '#domain/enrolment.ts'
import { type HostId, type Instant, instant, type ResultId } from '#protocol/units.ts'
import { exponential, type Random, stream, wholeBetween } from './random.ts'
import type { Strategy } from './strategy.ts'
import type { Answer, Run } from './truth.ts'

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS

const LIFETIME_DAYS = 20
const HOSTS_PER_OWNER_MAX = 5
const HOSTS_PER_OWNER = (1 + HOSTS_PER_OWNER_MAX) / 2
const FLAKY_SHARE = 0.01 // of honest hosts
const RATES = [0.02, 0.1, 0.5, 1] as const

/** Somebody with one or more hosts, under whatever names they enrol. */
export interface Person {
  readonly name: string
  readonly strategy: Strategy
  readonly rate: number
  exclusions: number
  /** When hosts were excluded, by what they were enrolled as. */
  readonly excluded: Map<string, Instant[]>
}

/** A machine. What it is enrolled as changes when its person starts again after an exclusion. */
export interface Host {
  readonly name: string
  readonly person: Person
  readonly strategy: Strategy
  readonly random: Random
  readonly trait: number
  readonly wakesAt: number // ms after midnight
  readonly leavesAt: number
  id: HostId | null
  /** Its owner to the server: a user, or the prefix of anonymous hosts. */
  ownerKey: string
  enrolments: number
  reports: number
  lastAnswer: Answer | undefined
  work: { readonly resultId: ResultId; readonly run: Run } | null
  selfTestDemanded: boolean
}

export interface Mix {
  readonly seed: number
  readonly hosts: number
  readonly forgerShare: number // of hosts
  readonly collusionShare: number
  readonly strategies: readonly Strategy[]
}

export interface Population {
  /** People who come at the moment `now`, with their hosts; so many that the hosts stay about `mix.hosts`. */
  arrive(now: number): { readonly person: Person; readonly hosts: readonly Host[] }
  /** How many people there are at the start. */
  readonly first: number
  /** Until the next arrival, ms: a Poisson process. */
  nextArrivalMs(): number
}

/** Draws people. Dishonest strategies and rates take turns, so that each has its equal part of the hosts. */
export function populationOf(mix: Mix): Population {
  const random = stream(mix.seed, 'population')
  const pick = dishonestTurns(mix)
  const flaky = mix.strategies.find(({ kind }) => kind === 'flaky')
  const honest = mix.strategies.find(({ kind }) => kind === 'honest')
  if (honest === undefined) throw new Error('somebody must be honest: add the strategy honest')
  let people = 0
  return {
    first: Math.round(mix.hosts / HOSTS_PER_OWNER),
    nextArrivalMs: () => exponential((LIFETIME_DAYS * DAY_MS * HOSTS_PER_OWNER) / mix.hosts, random),
    arrive: now => {
      const name = `p${people++}`
      const size = wholeBetween(1, HOSTS_PER_OWNER_MAX, random)
      const { strategy, rate } = pick(size) ?? { strategy: honest, rate: 0 }
      const person: Person = { name, strategy, rate, exclusions: 0, excluded: new Map() }
      const count = strategy.identities ?? size
      const hosts = Array.from({ length: count }, (_, i) => {
        const breaks = strategy === honest && random() < FLAKY_SHARE
        const own = breaks && flaky !== undefined ? flaky : strategy
        const ownerKey = strategy.identities === undefined ? name : `${name}i${i}`
        return newHost(mix.seed, { name: `${name}h${i}`, person, ownerKey, strategy: own, now })
      })
      return { person, hosts }
    },
  }
}

interface Role {
  readonly strategy: Strategy
  readonly rate: number
}

/** Who the next person is, undefined: an honest one. The shares of hosts stay equal. */
function dishonestTurns(mix: Mix): (size: number) => Role | undefined {
  const cells = (kind: Strategy['kind'], rates: readonly number[]) =>
    mix.strategies.flatMap(strategy =>
      strategy.kind === kind ? rates.map(rate => ({ strategy, rate, hosts: 0 })) : [],
    )
  const forgers = cells('dishonest', RATES)
  const ring = cells('colluding', [0.1]) // a ring that spoils a tenth of what it is given
  const share = forgers.length === 0 ? 0 : mix.forgerShare
  const fewest = (from: typeof forgers, size: number): Role | undefined => {
    const [cell] = from.toSorted((a, b) => a.hosts - b.hosts)
    if (cell !== undefined) cell.hosts += cell.strategy.identities ?? size
    return cell
  }
  // Somebody with many identities comes less often, so that the shares hold.
  const owed = { forgers: 0, ring: 0 }
  return size => {
    owed.forgers += size * share
    owed.ring += size * mix.collusionShare
    if (owed.forgers >= size) {
      const cell = fewest(forgers, size)
      owed.forgers -= cell?.strategy.identities ?? size
      return cell
    }
    if (owed.ring < size) return undefined
    owed.ring -= size
    return fewest(ring, size)
  }
}

function newHost(
  seed: number,
  { now, ...who }: Pick<Host, 'name' | 'person' | 'ownerKey' | 'strategy'> & { now: number },
): Host {
  const random = stream(seed, who.name)
  return {
    ...{ ...who, random, trait: random() },
    wakesAt: random() * DAY_MS,
    leavesAt: now + exponential(LIFETIME_DAYS * DAY_MS, random),
    ...{ id: null, enrolments: 0, reports: 0, lastAnswer: undefined, work: null, selfTestDemanded: false },
  }
}

/** To notice, and to have another network at hand; between one and two of these. */
const MOVE_MS = HOUR_MS
const SAME_PREFIX = 0.5

/**
 * When an excluded host is enrolled again, under another name; undefined: never, because it was honest. Half of them
 * come from the old prefix, where the streak they need has doubled, once it has cooled down; all hosts of one owner go the
 * same way.
 */
export function enrolAgain(host: Host, now: number): number | undefined {
  const { person, strategy } = host
  host.id = null
  if (strategy.kind === 'honest' || strategy.kind === 'flaky') return undefined
  host.enrolments++
  person.exclusions = Math.max(person.exclusions, host.enrolments)
  const excluded = [...(person.excluded.get(host.ownerKey) ?? []), instant(now)]
  person.excluded.set(host.ownerKey, excluded)
  const [base = ''] = host.ownerKey.split('~')
  const move = stream(host.enrolments, base)
  const stays = move() < SAME_PREFIX
  const at = now + MOVE_MS * (1 + move())
  host.reports = 0
  if (stays) return Math.max(at, coolDownUntil(excluded, instant(now)) ?? 0)
  host.ownerKey = `${base}~${host.enrolments}`
  return at
}

const AWAKE_MS = 16 * HOUR_MS

/** When a host has worked for `ms` more, given that it sleeps eight hours a day. */
export function afterWork(host: Host, now: number, ms: number): number {
  let at = now
  let left = ms
  for (;;) {
    const sinceWake = (((at - host.wakesAt) % DAY_MS) + DAY_MS) % DAY_MS
    if (sinceWake >= AWAKE_MS) {
      at += DAY_MS - sinceWake
      continue
    }
    const untilSleep = AWAKE_MS - sinceWake
    if (left < untilSleep) return at + left // asleep at the very end would be a rounding
    left -= untilSleep
    at += untilSleep
  }
}

/** Twelve runs in the sixteen hours a day that a host is awake. */
export const RUN_MS = AWAKE_MS / 12
