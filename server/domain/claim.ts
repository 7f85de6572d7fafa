import type { UserId } from '#protocol/units.ts'
import { unreachable } from './invariant.ts'

interface Claimed {
  readonly userId: UserId | null
  readonly state: 'active' | 'paused' | 'quarantined' | 'retired'
  readonly trusted: boolean
  /** Another host of its owner was excluded, and this one is about to be looked into. */
  readonly isPursued: boolean
}

/**
 * What becomes of a claim: a host is claimed once, for ever. One that is looked into, or was found out, cannot slip into an
 * account meanwhile.
 */
export function judgeClaim(
  host: Claimed,
  userId: UserId,
): 'claim' | 'already' | 'host_claimed' | 'host_barred' | 'host_retired' {
  if (host.userId === userId && !host.trusted) return 'already'
  if (host.trusted) return 'host_barred'
  if (host.userId !== null) return 'host_claimed'
  switch (host.state) {
    case 'active':
      return host.isPursued ? 'host_barred' : 'claim'
    case 'paused':
    case 'quarantined':
      return 'host_barred'
    case 'retired':
      return 'host_retired'
    default:
      return unreachable(host.state)
  }
}
