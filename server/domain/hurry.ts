// The last few: when a campaign has nothing left to hand out, a host that is slow, busy or gone holds up all who wait for the
// end, although others are idle. A second host is asked then (BOINC's stragglers; Dean and Ghemawat 2004, "backup tasks").

import type { WorkUnitId } from '#protocol/units.ts'

/** So many times as long as half of the campaign's runs took: the host is overtaken. */
export const OVERDUE = 1.15
/** Below this nobody waits for anything. */
export const OVERDUE_MS_MIN = 10_000
/** So many runs say how long one takes. */
const SAMPLES_MIN = 10
/**
 * At most this share of a campaign's work units is computed twice for it; once more as many for those that are overdue twice as long,
 * again for four times as long, and so on. Where many were merely late, as when a server was busy, nothing would be left
 * for the few that never come (ops/LOG.md, 2026-11-27: eight of ten lost leases waited for their deadline of six hours).
 */
const SHARE_MAX = 0.05

/** What a campaign without anything to hand out waits for. */
export interface Tail {
  /** Median of what whole runs of it took from lease to report, and of how many. */
  readonly typicalMs: number
  readonly samples: number
  /** Its work units, and those that were hurried before and taken up by a second host. */
  readonly units: number
  readonly hurried: number
  /** Its open units, by how long their oldest lease has taken so far. */
  readonly computing: readonly (Passed & { readonly sinceMs: number })[]
}

/** A unit for which somebody else is asked. */
interface Passed {
  readonly id: WorkUnitId
  /** Its campaign has nothing left to hand out, and an idle verifier computes its engine class. */
  readonly isVerifiable: boolean
}

/** Who has nothing to do: volunteers' proven hosts, and cores of verifiers. */
interface Idle {
  readonly hosts: number
  readonly verifierRoom: number
}

/** Which units somebody else is asked for now, the longest first: one for each proven host and each core of a verifier that is idle, and few of each campaign. */
export function chooseHurried(tails: readonly Tail[], { hosts, verifierRoom }: Idle): PassedOn {
  const overdue = tails.flatMap(({ typicalMs, samples, units, hurried, computing }) => {
    if (samples < SAMPLES_MIN) return []
    const limitMs = Math.max(OVERDUE_MS_MIN, OVERDUE * typicalMs)
    const share = Math.ceil(SHARE_MAX * units)
    return computing
      .flatMap(({ sinceMs, ...unit }) => {
        const shares = 1 + Math.floor(Math.log2(sinceMs / limitMs))
        return sinceMs > limitMs
          ? [{ ...unit, ratio: sinceMs / typicalMs, room: shares * share - hurried }]
          : []
      })
      .toSorted((a, b) => b.ratio - a.ratio)
      .filter(({ room }, before) => before < room)
  })
  const { toVerifier, toProven } = passOn(
    overdue.toSorted((a, b) => b.ratio - a.ratio),
    verifierRoom,
  )
  return { toVerifier, toProven: toProven.slice(0, hosts) }
}

interface PassedOn {
  readonly toVerifier: readonly WorkUnitId[]
  readonly toProven: readonly WorkUnitId[]
}

/**
 * Who makes what is passed on, as checks that are kept for newcomers while there are none. At the end of a campaign the verifier, as far as
 * it has cores with nothing to do: its word is the last. That of a proven host may itself be drawn to be checked, or be about a record, and
 * the campaign would wait for a third run.
 */
export function passOn(units: readonly Passed[], verifierRoom: number): PassedOn {
  const verifiable = units.filter(({ isVerifiable }) => isVerifiable)
  const toVerifier = verifiable.slice(0, Math.max(0, verifierRoom)).map(idOf)
  return { toVerifier, toProven: units.map(idOf).filter(id => !toVerifier.includes(id)) }
}

const idOf = ({ id }: Passed): WorkUnitId => id
