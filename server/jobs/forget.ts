import { ATTEMPTS_MS } from '#domain/login.ts'
import {
  ERROR_DETAIL_DAYS,
  HOST_EVENT_DAYS,
  IDEMPOTENCY_DAYS,
  PREFIX_DAYS,
  SAMPLES_HOURS,
  SESSION_IDLE_MS,
  TICKS_HOURS,
  UNSHOWN_WEIGHTS_DAYS,
  WEBHOOK_DELIVERY_DAYS,
} from '#protocol/limits.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import { forgetAttempts } from '#store/attempts.ts'
import { inRehearsal, inTransaction, type Trx } from '#store/database.ts'
import { forgetDevices } from '#store/devices.ts'
import { forgetEnrolments } from '#store/enrolments.ts'
import { forgetCalls } from '#store/idempotent-calls.ts'
import { forgetInvitations } from '#store/invitations.ts'
import { forgetSamples } from '#store/samples.ts'
import { forgetSessions } from '#store/sessions.ts'
import { forgetErrorDetails, forgetHostEvents, forgetUnshownWeights, wantedAgain } from '#store/stale.ts'
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

interface Round {
  readonly now: Instant
  /** What is older goes. */
  readonly before: Instant
  readonly limit: number
}

interface Policy {
  /** As ops/docs/operating.md names it. */
  readonly what: string
  readonly keptMs: number
  readonly perRound: number
  forget(trx: Trx, round: Round): Promise<number>
}

const policy = (
  what: string,
  keptMs: number,
  forget: Policy['forget'],
  perRound = ROWS_PER_ROUND,
): Policy => ({
  ...{ what, keptMs, perRound, forget },
})

/**
 * What is kept for a time only, and how long. Everything else stays: results, the corpus, the ledger, events and notes of campaigns,
 * the log of operators' acts, and what was done to volunteers.
 */
export const POLICIES: readonly Policy[] = [
  policy('challenges of enrolments, once they are over, and their counts', COUNTS_MS, forgetEnrolments),
  policy('names of networks', PREFIX_DAYS * DAY_MS, forgetNetworks),
  policy('messages of webhooks that were sent', WEBHOOK_DELIVERY_DAYS * DAY_MS, forgetDeliveries),
  policy('answers to calls with an Idempotency-Key', IDEMPOTENCY_DAYS * DAY_MS, forgetCalls),
  policy('sessions that nobody used', SESSION_IDLE_MS, (trx, { now, before }) =>
    forgetSessions(trx, { now, idleSince: before }),
  ),
  policy('invitations, once they are over', 0, (trx, { now }) => forgetInvitations(trx, now)),
  policy('codes of machines that log in, once they are over', 0, (trx, { now }) => forgetDevices(trx, now)),
  policy('guesses of passwords and codes', ATTEMPTS_MS, (trx, { before }) => forgetAttempts(trx, before)),
  policy('ticks of the live pages', TICKS_HOURS * HOUR_MS, forgetTicks, TICKS_PER_ROUND),
  policy("figures of the console's lines", SAMPLES_HOURS * HOUR_MS, (trx, { before }) =>
    forgetSamples(trx, before),
  ),
  policy('what befell hosts', HOST_EVENT_DAYS * DAY_MS, forgetHostEvents),
  policy("hosts' words about their errors", ERROR_DETAIL_DAYS * DAY_MS, forgetErrorDetails),
]

/** One bounded round of every policy, each in a transaction of its own. Returns how many rows. */
export async function forgetTraces({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<number> {
  let gone = 0
  for (const each of POLICIES) gone += await inTransaction(knex, trx => roundOf(each, trx, now()))
  return gone
}

const roundOf = ({ keptMs, perRound, forget }: Policy, trx: Trx, now: Instant, limit = perRound) =>
  forget(trx, { now, before: addMs(now, -keptMs), limit })

export const UNSHOWN_WEIGHTS = 'weights that came and that nothing published names'
const FILES_PER_ROUND = 100

/**
 * Forgets weights that nothing published names. The rows go first: killed in between, a file is left that nothing names, and no row
 * that names a file which is not there.
 */
export async function forgetWeights({
  knex,
  blobs,
  now,
}: Pick<JobDeps, 'knex' | 'blobs' | 'now'>): Promise<number> {
  const gone = await inTransaction(knex, trx => unshown(trx, now(), FILES_PER_ROUND))
  if (gone.length === 0) return 0
  const again = await inTransaction(knex, trx => wantedAgain(trx, gone))
  for (const sha256 of gone) if (!again.has(sha256)) await blobs.remove(sha256)
  return gone.length
}

const unshown = (trx: Trx, now: Instant, limit: number) =>
  forgetUnshownWeights(trx, { before: addMs(now, -UNSHOWN_WEIGHTS_DAYS * DAY_MS), limit })

/** What is due of one policy. */
export interface Purged {
  readonly what: string
  readonly keptMs: number
  readonly rows: number
  /** There was more than was counted. */
  readonly more: boolean
}

// What a rehearsal locks, or a purge by hand takes, of one kind.
const PURGE_ROWS_MAX = 100_000

/** What the next rounds would forget: the same statements, taken back. */
export async function rehearsePurge({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<Purged[]> {
  const rehearse = async (
    what: string,
    keptMs: number,
    count: (trx: Trx) => Promise<number>,
  ): Promise<Purged> => {
    const rows = await inRehearsal(knex, count)
    return { what, keptMs, rows, more: rows >= PURGE_ROWS_MAX }
  }
  const due: Purged[] = []
  for (const each of POLICIES)
    due.push(await rehearse(each.what, each.keptMs, trx => roundOf(each, trx, now(), PURGE_ROWS_MAX)))
  const weights = async (trx: Trx) => (await unshown(trx, now(), PURGE_ROWS_MAX)).length
  return [...due, await rehearse(UNSHOWN_WEIGHTS, UNSHOWN_WEIGHTS_DAYS * DAY_MS, weights)]
}

/** Round after round, until nothing is due or enough is gone. What a kill leaves the next one takes. */
export async function purge(deps: Pick<JobDeps, 'knex' | 'blobs' | 'now'>): Promise<Purged[]> {
  const { knex, now } = deps
  const done: Purged[] = []
  for (const each of POLICIES) {
    const { what, keptMs, perRound } = each
    const round = () => inTransaction(knex, trx => roundOf(each, trx, now()))
    done.push({ what, keptMs, ...(await exhaust(round, perRound)) })
  }
  const weights = await exhaust(() => forgetWeights(deps), FILES_PER_ROUND)
  return [...done, { what: UNSHOWN_WEIGHTS, keptMs: UNSHOWN_WEIGHTS_DAYS * DAY_MS, ...weights }]
}

async function exhaust(round: () => Promise<number>, full: number): Promise<Pick<Purged, 'rows' | 'more'>> {
  for (let rows = 0; ; ) {
    const gone = await round()
    rows += gone
    if (gone < full || rows >= PURGE_ROWS_MAX) return { rows, more: gone >= full }
  }
}
