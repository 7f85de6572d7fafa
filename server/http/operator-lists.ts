import type { RequestHandler } from 'express'
import { readLetters } from '#operate/letters.ts'
import { PAGE_ROWS_MAX } from '#protocol/limits.ts'
import {
  type AlertList,
  AllQuery,
  type AppealList,
  ErrorsQuery,
  type ErrorsView,
  type HostRows,
  HostsQuery,
  type ResultRows,
  ResultsQuery,
  type SuspectList,
  SuspectsQuery,
  type UserRows,
  UsersQuery,
} from '#protocol/operator.ts'
import { addMs, type Instant, toWire } from '#protocol/units.ts'
import { listAccounts } from '#store/accounts.ts'
import { listAppeals } from '#store/actions.ts'
import { type AlertRow, listAlerts } from '#store/inspection.ts'
import { listHosts, readErrors } from '#store/symptoms.ts'
import { listResults } from '#store/unit-filter.ts'
import type { Edge } from './edge.ts'
import { requireOperator } from './operator.ts'
import { parse } from './problem.ts'

const HOUR_MS = 3600_000
const ROWS = 200

/** GET /operator/errors?hours= */
export function showErrors(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { hours } = parse(ErrorsQuery, req.query)
    const rows = await readErrors(edge.knex, { since: addMs(edge.now(), -hours * HOUR_MS), limit: ROWS })
    const view: ErrorsView = {
      hours,
      rows: rows.map(({ newestAt, ...row }) => ({ ...row, newestAt: toWire(newestAt) })),
    }
    res.json(view)
  }
}

/** GET /operator/results?…: what stands behind a number. */
export function showResults(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { limit, after = null, ...filter } = parse(ResultsQuery, req.query)
    const rows = await listResults(edge.knex, filter, { now: edge.now(), after, limit })
    const view: ResultRows = {
      results: rows.map(({ since, ...row }) => ({ ...row, since: toWire(since) })),
      nextAfter: nextOf(rows, limit),
    }
    res.json(view)
  }
}

/** GET /operator/hosts?state=&sinceHours=&q= */
export function showHosts(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { limit, after = null, state = null, sinceHours, q = null } = parse(HostsQuery, req.query)
    const filter = { state, since: sinceOf(edge, sinceHours), named: q }
    const rows = await listHosts(edge.knex, filter, { after, limit })
    const view: HostRows = {
      hosts: rows.map(({ createdAt, lastSeenAt, ...row }) => ({
        ...{ ...row, createdAt: toWire(createdAt), lastSeenAt: toWire(lastSeenAt) },
      })),
      nextAfter: nextOf(rows, limit),
    }
    res.json(view)
  }
}

const sinceOf = (edge: Edge, hours: number | undefined): Instant | null =>
  hours === undefined ? null : addMs(edge.now(), -hours * HOUR_MS)

const nextOf = <Id>(rows: readonly { readonly id: Id }[], limit: number): Id | null =>
  rows.length < limit ? null : (rows.at(-1)?.id ?? null)

/** GET /operator/suspects?days=&all= */
export function showSuspects(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { days, all } = parse(SuspectsQuery, req.query)
    const found = await edge.operate.suspects(addMs(edge.now(), -days * 24 * HOUR_MS))
    const shown = found.filter(host => all === 'true' || host.reasons.length > 0).slice(0, ROWS)
    const view: SuspectList = {
      days,
      hosts: shown.map(({ hostId, name, state, results, score, reasons }) => ({
        ...{ hostId, name, state, results, score, reasons: [...reasons] },
      })),
    }
    res.json(view)
  }
}

/** GET /operator/appeals?all= */
export function showAppeals(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { all } = parse(AllQuery, req.query)
    const rows = await listAppeals(edge.knex, { all: all === 'true', limit: PAGE_ROWS_MAX })
    const view: AppealList = {
      appeals: rows.map(({ filedAt, ...row }) => ({ ...row, filedAt: toWire(filedAt) })),
    }
    res.json(view)
  }
}

/** GET /operator/alerts?all= */
export function showAlerts(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { all } = parse(AllQuery, req.query)
    const rows = await listAlerts(edge.knex, { all: all === 'true', limit: PAGE_ROWS_MAX })
    const view: AlertList = { alerts: rows.map(viewAlert) }
    res.json(view)
  }
}

const viewAlert = ({ seenAt, lastSeenAt, resolvedAt, ...row }: AlertRow) => ({
  ...{ ...row, seenAt: toWire(seenAt), lastSeenAt: toWire(lastSeenAt) },
  resolvedAt: resolvedAt === null ? null : toWire(resolvedAt),
})

/** GET /operator/letters */
export function showLetters(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    res.json(await readLetters(edge.knex))
  }
}

/** GET /operator/users?q=&sinceHours= */
export function showUsers(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { limit, after = null, q = null, sinceHours } = parse(UsersQuery, req.query)
    const filter = { named: q, since: sinceOf(edge, sinceHours) }
    const rows = await listAccounts(edge.knex, filter, { after, limit })
    const view: UserRows = {
      users: rows.map(({ createdAt, blockedAt, ...row }) => ({
        ...{ ...row, createdAt: toWire(createdAt) },
        blockedAt: blockedAt === null ? null : toWire(blockedAt),
      })),
      nextAfter: nextOf(rows, limit),
    }
    res.json(view)
  }
}
