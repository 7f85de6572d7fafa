import { answerSelfTest as afterSelfTest, isBroken, owesSelfTest } from '#domain/trust.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { notePrefixes, retireHosts, type SelfTestOutcome, saveSelfTests } from '#store/hosts.ts'
import type { Visit } from './visit.ts'

// That a host is still where it was is written once a day; when it was last there matters after thirty.
const PREFIX_REFRESH_MS = 24 * 3600_000

/** Notes of locked hosts what their calls say besides reports: where they are, and how a self-test went. */
export async function noteHosts(trx: Trx, visits: readonly Visit[], now: Instant): Promise<void> {
  const moved = visits.filter(visit => hasMoved(visit, now))
  await notePrefixes(
    trx,
    moved.map(({ call }) => ({ hostId: call.hostId, prefix: call.prefix })),
    now,
  )
  const answered = visits.flatMap(visit => answerSelfTest(visit) ?? [])
  await saveSelfTests(trx, answered)
  const broken = visits.filter(visit => visit.isBroken)
  await retireHosts(
    trx,
    broken.map(({ host }) => host.id),
  )
}

function hasMoved({ call, host: { prefix, prefixSeenAt } }: Visit, now: Instant): boolean {
  if (call.prefix !== prefix) return true
  return prefixSeenAt !== null && prefixSeenAt < addMs(now, -PREFIX_REFRESH_MS)
}

/** Who is sound and differs from trusted hosts again and again has lied; who is broken is told, and wastes little. */
function answerSelfTest(visit: Visit): SelfTestOutcome | undefined {
  const answer = visit.call.body.selfTest
  const { host } = visit
  if (answer === undefined || !owesSelfTest(host)) return undefined
  const { passed, detail } = answer
  const after = afterSelfTest(host, passed)
  visit.selfTest = after.selfTest
  visit.dailyQuota = after.dailyQuota
  if (after.state === 'quarantined' && host.state !== 'quarantined') visit.cheated = LIED
  visit.events.push({ hostId: host.id, event: passed ? 'self_test_passed' : 'self_test_failed', detail })
  visit.isBroken = !passed && isBroken(host.selfTestsFailed + 1)
  if (visit.isBroken) visit.events.push({ hostId: host.id, event: 'retired_broken', detail })
  return { hostId: host.id, selfTest: after.selfTest, recentChecks: after.recentChecks }
}

const LIED = 'several of its results differ from trusted re-runs, although its self-test passed'
