import { setTimeout as sleep } from 'node:timers/promises'
import type { Request, RequestHandler } from 'express'
import type { Knex } from 'knex'
import type { Instant } from '#protocol/units.ts'
import { countPending } from '#store/migrate.ts'
import { isReady } from '#store/settings.ts'
import { callerWith, tokenOf } from './auth.ts'
import type { Methods } from './campaign-routes.ts'
import type { Metrics } from './metrics.ts'
import { Refused } from './problem.ts'

export interface Health {
  readonly knex: Knex
  readonly now: () => Instant
  /** Aborted when the process was asked to stop: it still answers, and wants no new callers. */
  readonly draining: AbortSignal
  readonly metrics: Metrics
}

// A probe that hangs says less than one that fails.
const READY_MS_MAX = 2_000

/** What looks after the process asks: whether it lives, whether it may be given callers, and its figures. */
export const healthRoutes = (health: Health): Record<string, Methods> => ({
  '/healthz': { get: [(_req, res) => void res.json({ ok: true })] },
  '/readyz': { get: [showReady(health)] },
  '/metrics': { get: [showMetrics(health)] },
})

/** GET /readyz: 503 while it stops, while the database does not answer, and while migrations are missing. */
function showReady({ knex, draining }: Health): RequestHandler {
  // Migrations only ever come to be there: what was found complete is not read again.
  let migrated = false
  return async (_req, res) => {
    if (draining.aborted) throw new Refused('not_ready', 'draining')
    const answered = isReady(knex).then(() => true)
    answered.catch(() => undefined) // also when it fails too late to be heard
    const ready = await Promise.race([answered, sleep(READY_MS_MAX, false, { ref: false })])
    if (!ready) throw new Refused('not_ready', `the database did not answer within ${READY_MS_MAX} ms`)
    if (!migrated) {
      const pending = await countPending(knex)
      if (pending > 0) throw new Refused('not_ready', `${pending} migrations are not applied`)
      migrated = true
    }
    res.json({ ok: true })
  }
}

/** GET /metrics: in Prometheus' text format, for operators and for programs on this machine. */
function showMetrics({ metrics, ...where }: Health): RequestHandler {
  return async (req, res) => {
    if (!isLocal(req)) await requireOperatorToken(where, req)
    const { text, type } = await metrics.scrape()
    res.setHeader('content-type', type)
    res.end(text)
  }
}

async function requireOperatorToken(where: Pick<Health, 'knex' | 'now'>, req: Request): Promise<void> {
  const token = tokenOf(req)
  if (token === undefined) throw new Refused('token_missing')
  await callerWith(where, token, 'admin')
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/

// Behind a proxy on this machine everybody seems to be here: whoever was passed on is not.
const isLocal = (req: Request): boolean =>
  LOOPBACK.test(req.socket.remoteAddress ?? '') &&
  req.headers['x-forwarded-for'] === undefined &&
  req.headers.forwarded === undefined &&
  req.headers.via === undefined
