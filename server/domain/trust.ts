import { createHmac } from 'node:crypto'
import { DAILY_QUOTA_MIN, SELF_TESTS_FAILED_MAX } from '#protocol/limits.ts'
import type { SelfTestState } from '#protocol/people.ts'
import type { HostId, Instant, ResultId, UserId, WorkUnitId } from '#protocol/units.ts'
import { nextQuota } from './quota.ts'
import type { Draw, UnitCheck, WorkUnit } from './types.ts'

/** The numbers of DESIGN §8. They are arguments of the decisions, so that other rules can be compared with ours. */
export interface TrustRules {
  /** Confirmed results in a row that prove a host which nobody of its owner was excluded with. */
  readonly streakNeeded: number
  /** The fuel of the streak, as a multiple of what the offered unit may use. */
  readonly streakFuel: number
  /** A result of a proven host is checked with probability 1/N, but never less than this. */
  readonly checkShareMin: number
  /** Of the checks drawn, by the verifier; the rest by another owner. */
  readonly verifierShare: number
  /** Of the units on which only strangers agree, those that wait for the verifier all the same. */
  readonly sampleShare: number
  /** Runs behind this many best rows of a leaderboard are records; 0: nothing is a record. */
  readonly leaderRows: number
}

export const TRUST: TrustRules = {
  streakNeeded: 10,
  streakFuel: 5,
  checkShareMin: 0.05,
  verifierShare: 0.2,
  sampleShare: 0.1,
  leaderRows: 10,
}

/** What a host has shown in one engine class since its last fault there. */
export interface Streak {
  readonly count: number // confirmed results
  readonly fuel: number // of those
  /** Its provisional results reported until then are final. */
  readonly finalUntil: Instant | null
  /** Its unconfirmed results reported until then are judged again: the moment of its last fault. */
  readonly faultAt: Instant | null
}

export const NO_STREAK: Streak = { count: 0, fuel: 0, finalUntil: null, faultAt: null }

/** What judging changes of a host. */
export interface Standing {
  readonly id: HostId
  readonly userId: UserId | null
  /** Who counts as one owner with it. */
  readonly ownerKey: string
  /** `paused`: another host of its owner cheated, and its unconfirmed results are judged again. */
  readonly state: 'active' | 'paused' | 'quarantined' | 'retired'
  readonly dailyQuota: number
  readonly recentChecks: string
  /** Demanded after each fault; `failed` is told and throttled, never excluded. */
  readonly selfTest: SelfTestState
  /** By engine class. */
  readonly streaks: Readonly<Record<string, Streak>>
}

export const streakOf = (standing: Pick<Standing, 'streaks'>, engineClass: string): Streak =>
  standing.streaks[engineClass] ?? NO_STREAK

/** The streak needed doubles with each exclusion under the same owner within this time. */
export const EXCLUSION_MS = 30 * 24 * 3600_000
// Beyond it the streak needed is more than a host computes in its life, and doubling on would only overflow.
const DOUBLINGS_MAX = 20

/** Confirmed results in a row that are needed after so many exclusions of the owner. */
export const streakNeeded = (exclusions: number, rules: TrustRules): number =>
  rules.streakNeeded * 2 ** Math.min(exclusions, DOUBLINGS_MAX)

/** The largest `fuelMax` of a unit that this streak allows to be computed by its host alone; 0: none. */
export function provenFuel(
  streak: Pick<Streak, 'count' | 'fuel'>,
  exclusions: number,
  rules: TrustRules,
): number {
  return streak.count < streakNeeded(exclusions, rules) ? 0 : Math.floor(streak.fuel / rules.streakFuel)
}

/** Two independent uniforms in [0, 1) that nobody without the secret can foresee: 48 bits each of an HMAC-SHA-256. */
export function drawn(
  secret: string | Uint8Array,
  purpose: 'check' | 'sample' | 'canary' | 'weights' | `audit ${number}`,
  id: ResultId | WorkUnitId,
): readonly [number, number] {
  const hmac = createHmac('sha256', secret).update(`${purpose}|${id}`).digest()
  return [hmac.readUIntBE(0, 6) / 2 ** 48, hmac.readUIntBE(6, 6) / 2 ** 48]
}

/** The check of a report that is accepted now, given the draws of its result. */
export function drawCheck(
  facts: {
    readonly unit: Pick<WorkUnit, 'policy' | 'minQuorum'>
    readonly ok: boolean // it finished: nothing else stands alone
    readonly proven: boolean
    readonly streak: number
  },
  [check, who]: readonly [number, number],
  rules: TrustRules,
): Draw {
  const { unit, ok, proven, streak } = facts
  const mayStandAlone = unit.policy === 'adaptive' && (proven || unit.minQuorum === 1)
  if (!mayStandAlone) return 'none' // it needs company anyway
  if (!ok) return 'replica'
  if (check >= Math.max(1 / Math.max(1, streak), rules.checkShareMin)) return 'none'
  return who < rules.verifierShare ? 'verifier' : 'replica'
}

/** What is asked of a new unit besides its quorum, given the draws of its id. */
export const drawSample = ([u]: readonly [number, number], rules: TrustRules): UnitCheck =>
  u < rules.sampleShare ? 'sample' : 'none'

/** Whether a result may stand by itself: no check was drawn, and its host is proven or the campaign asks for no more. */
export const standsAlone = (
  unit: Pick<WorkUnit, 'policy' | 'minQuorum'>,
  holder: { readonly proven: boolean; readonly draw: Draw },
): boolean => unit.policy === 'adaptive' && holder.draw === 'none' && (holder.proven || unit.minQuorum === 1)

/** How many equal results settle a unit that these hosts hold or have computed. */
export function votesNeeded(
  unit: Pick<WorkUnit, 'policy' | 'minQuorum'>,
  holders: readonly { readonly proven: boolean; readonly draw: Draw }[],
): number {
  if (unit.policy === 'fixed') return unit.minQuorum
  if (holders.some(holder => standsAlone(unit, holder))) return 1
  return holders.some(holder => holder.draw === 'replica') ? Math.max(2, unit.minQuorum) : unit.minQuorum
}

/** How many comparisons with trusted results are remembered of a host (DESIGN §8: three of the last twenty). */
const RECENT_CHECKS = 20

// One difference may be a flipped bit and two a bad stick of memory; an honest host with one fault in a thousand runs
// meets three in twenty with probability 1e-6.
const DIFFERENCES_TO_QUARANTINE = 3

/** The remembered comparisons, oldest first (`=` equal, `x` not), after one more. */
export function recordCheck(recent: string, equal: boolean): string {
  return (recent + (equal ? '=' : 'x')).slice(-RECENT_CHECKS)
}

/** Whether a host with these comparisons, whose memory and processor proved sound, lied. */
export function differsTooOften(recent: string): boolean {
  return recent.split('x').length - 1 >= DIFFERENCES_TO_QUARANTINE
}

const withStreak = (standing: Standing, engineClass: string, streak: Streak): Standing => ({
  ...standing,
  streaks: { ...standing.streaks, [engineClass]: streak },
})

/**
 * A host after one of its results was confirmed. Everything provisional that it reported until `at` is final: `at` is when
 * the check was drawn, which the host could not foresee.
 */
export function passCheck(
  standing: Standing,
  check: { readonly engineClass: string; readonly fuel: number; readonly at: Instant },
): Standing {
  const before = streakOf(standing, check.engineClass)
  const finalUntil = before.finalUntil !== null && before.finalUntil > check.at ? before.finalUntil : check.at
  const streak = { ...before, count: before.count + 1, fuel: before.fuel + check.fuel, finalUntil }
  return withStreak(standing, check.engineClass, streak)
}

/** A host after a stranger agreed on a drawn check: what stood provisionally is final, and its streak is what it was. */
export function finish(standing: Standing, engineClass: string, at: Instant): Standing {
  const before = streakOf(standing, engineClass)
  const finalUntil = before.finalUntil !== null && before.finalUntil > at ? before.finalUntil : at
  return withStreak(standing, engineClass, { ...before, finalUntil })
}

/**
 * A host after a result that differs from the verifier's. Lying or broken? Its self-test says more; of a paused host,
 * whose owner cheated already, nobody asks any more, unless that owner is a network of strangers.
 */
export function fault(standing: Standing, engineClass: string, now: Instant): Standing {
  const { finalUntil } = streakOf(standing, engineClass)
  return {
    ...withStreak(standing, engineClass, { count: 0, fuel: 0, finalUntil, faultAt: now }),
    dailyQuota: nextQuota(standing.dailyQuota, 'invalid'),
    selfTest: 'demanded',
    state: standing.state === 'paused' && !isNeighbour(standing) ? 'quarantined' : standing.state,
  }
}

/** A host after one of its leases ended without a word. */
export function loseLease(standing: Standing): Standing {
  return { ...standing, dailyQuota: nextQuota(standing.dailyQuota, 'no_reply') }
}

// Behind one network live strangers: who cheats there must not take the others along.
const isNeighbour = ({ ownerKey }: Standing): boolean => ownerKey.startsWith('prefix:')

/** A host after it was found to have lied. */
export const exclude = (standing: Standing): Standing =>
  standing.state === 'retired' ? standing : { ...standing, state: 'quarantined' }

/** Whether the host owes the server a self-test. */
export const owesSelfTest = ({ selfTest }: Pick<Standing, 'selfTest'>): boolean =>
  selfTest === 'demanded' || selfTest === 'demanded_again'

/**
 * A host after it told how the demanded self-test went. Quarantined: it is sound and differs too often, so it lied; a test
 * misses some faults, so that it takes two in a row. A machine that is found broken explains the differences until then: none
 * of them speaks for a lie later.
 */
export function answerSelfTest(standing: Standing, passed: boolean): Standing {
  if (!owesSelfTest(standing)) return standing
  if (!passed) {
    const recentChecks = standing.recentChecks.replaceAll('x', '')
    return { ...standing, selfTest: 'failed', dailyQuota: DAILY_QUOTA_MIN, recentChecks }
  }
  const lied = standing.state === 'active' && differsTooOften(standing.recentChecks)
  if (lied && standing.selfTest === 'demanded') return { ...standing, selfTest: 'demanded_again' }
  return { ...standing, selfTest: 'passed', state: lied ? 'quarantined' : standing.state }
}

/**
 * Whether a host whose self-test failed so often since it enrolled retires. Each failure follows a wrong result: without an
 * end, who answers `failed` for ever would send wrong results for ever and never be found to have lied.
 */
export const isBroken = (selfTestsFailed: number): boolean => selfTestsFailed >= SELF_TESTS_FAILED_MAX

/** Whether the host may be given work at all. */
export const mayCompute = (standing: Pick<Standing, 'state' | 'selfTest'>): boolean =>
  standing.state === 'active' && !owesSelfTest(standing)

/** Whether a result stands now that stood provisionally before. */
export const isFinalBy = (reportedAt: Instant, streak: Pick<Streak, 'finalUntil'>): boolean =>
  streak.finalUntil !== null && reportedAt <= streak.finalUntil

/** Whether an unconfirmed result is in doubt since its host's last fault. */
export const isDoubtedBy = (reportedAt: Instant, streak: Pick<Streak, 'faultAt'>): boolean =>
  streak.faultAt !== null && reportedAt <= streak.faultAt

/**
 * Whether what is judged again because of a host's own fault costs it what it was paid for it: the fault has no explanation,
 * since the demanded self-test did not find the machine broken. What a broken machine computed right is paid.
 */
export const bearsChecks = (
  standing: Pick<Standing, 'streaks' | 'selfTest'>,
  engineClass: string,
  reportedAt: Instant,
): boolean => standing.selfTest !== 'failed' && isDoubtedBy(reportedAt, streakOf(standing, engineClass))

/**
 * Hosts of one owner after some of them were excluded, as far as they change: the first exclusion pauses the others until
 * their results were looked at again, a second one takes all out. Anonymous hosts count as one owner because they share a network,
 * and neighbours do: they are only ever paused.
 */
export function spreadExclusion(
  hosts: readonly Standing[],
  excluded: ReadonlySet<HostId>,
): (Standing & { readonly state: 'paused' | 'quarantined' })[] {
  const others = hosts.filter(host => !excluded.has(host.id))
  const count = (owner: string): number =>
    hosts.filter(host => host.ownerKey === owner && excluded.has(host.id)).length
  const changed = (host: Standing, state: 'paused' | 'quarantined') => ({ ...host, state })
  return others.flatMap(host => {
    const ofOwner = count(host.ownerKey)
    const isIn = host.state === 'active' || host.state === 'paused'
    if (ofOwner > 1 && isIn && host.userId !== null) return [changed(host, 'quarantined')]
    return ofOwner > 0 && host.state === 'active' ? [changed(host, 'paused')] : []
  })
}
