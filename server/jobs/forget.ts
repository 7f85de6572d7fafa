import { ATTEMPTS_MS } from '#domain/login.ts'
import {
  IDEMPOTENCY_DAYS,
  PREFIX_DAYS,
  SESSION_IDLE_MS,
  TICKS_HOURS,
  WEBHOOK_DELIVERY_DAYS,
} from '#protocol/limits.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import { forgetAttempts } from '#store/attempts.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { forgetDevices } from '#store/devices.ts'
import { forgetEnrolments } from '#store/enrolments.ts'
import { forgetCalls } from '#store/idempotent-calls.ts'
import { forgetInvitations } from '#store/invitations.ts'
import { forgetSessions } from '#store/sessions.ts'
import { forgetTicks } from '#store/stream.ts'
import { forgetNetworks } from '#store/traces.ts'
import { forgetDeliveries } from '#store/webhook-deliveries.ts'
import type { JobDeps } from './deps.ts'

const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS
// Enrolments are counted by the minute and by the day.
const COUNTS_MS = 2 * DAY_MS
const ROWS_PER_ROUND = 1_000
// A busy server has twenty a second.
const TICKS_PER_ROUND = 20_000

/** Forgets what is kept for a time only: networks, sent messages, answers to calls with a key, ticks, and what bounded enrolments. Returns how many rows. */
export function forgetTraces(deps: Pick<JobDeps, 'knex' | 'now'>): Promise<number> {
  return inTransaction(deps.knex, async trx => {
    const now = deps.now()
    const enrolments = await forgetEnrolments(trx, { now, before: addMs(now, -COUNTS_MS) })
    const before = addMs(now, -PREFIX_DAYS * DAY_MS)
    const networks = await forgetNetworks(trx, { before, limit: ROWS_PER_ROUND })
    const sentBefore = addMs(now, -WEBHOOK_DELIVERY_DAYS * DAY_MS)
    const sent = await forgetDeliveries(trx, { before: sentBefore, limit: ROWS_PER_ROUND })
    const answeredBefore = addMs(now, -IDEMPOTENCY_DAYS * DAY_MS)
    const answered = await forgetCalls(trx, { before: answeredBefore, limit: ROWS_PER_ROUND })
    const accounts = await forgetAccountTraces(trx, now)
    const tickedBefore = addMs(now, -TICKS_HOURS * HOUR_MS)
    const ticks = await forgetTicks(trx, { before: tickedBefore, limit: TICKS_PER_ROUND })
    return enrolments + networks + sent + answered + accounts + ticks
  })
}

/** Sessions and invitations that are over, and guesses that count no more. */
async function forgetAccountTraces(trx: Trx, now: Instant): Promise<number> {
  const sessions = await forgetSessions(trx, { now, idleSince: addMs(now, -SESSION_IDLE_MS) })
  const invitations = await forgetInvitations(trx, now)
  const devices = await forgetDevices(trx, now)
  return sessions + invitations + devices + (await forgetAttempts(trx, addMs(now, -ATTEMPTS_MS)))
}
