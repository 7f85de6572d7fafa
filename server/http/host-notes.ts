import { DAILY_QUOTA_MIN } from '#protocol/limits.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { notePrefixes, saveSelfTests } from '#store/hosts.ts'
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
}

function hasMoved({ call, host: { prefix, prefixSeenAt } }: Visit, now: Instant): boolean {
  if (call.prefix !== prefix) return true
  return prefixSeenAt !== null && prefixSeenAt < addMs(now, -PREFIX_REFRESH_MS)
}

/** A machine that computes something else is no liar: it is told, and wastes little. */
function answerSelfTest(visit: Visit): { hostId: Visit['host']['id']; passed: boolean } | undefined {
  const answer = visit.call.body.selfTest
  if (answer === undefined || visit.selfTest !== 'demanded') return undefined
  const { passed, detail } = answer
  visit.selfTest = passed ? 'passed' : 'failed'
  if (!passed) visit.dailyQuota = DAILY_QUOTA_MIN
  visit.events.push({ hostId: visit.host.id, event: `self_test_${visit.selfTest}`, detail })
  return { hostId: visit.host.id, passed }
}
