import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { isPublic, mayAppeal } from '#domain/appeal.ts'
import type { HostView } from '#protocol/host.ts'
import { NOTICES_SHOWN_MAX, PAGE_ROWS_MAX } from '#protocol/limits.ts'
import {
  type ActionList,
  AppealBody,
  DeleteBody,
  type DeletedReply,
  type ExclusionView,
  type OwnView,
} from '#protocol/people.ts'
import { ActionId, toWire } from '#protocol/units.ts'
import { type ActionRow, insertAppeal, lastExclusion, listActions } from '#store/actions.ts'
import { inTransaction } from '#store/database.ts'
import { addHostEvents, type HostRow } from '#store/hosts.ts'
import { noticesOf } from '#store/notices.ts'
import { deleteUser } from '#store/people.ts'
import { callerIfAny, requireAccount, requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { takeSession } from './cookies.ts'
import type { Edge } from './edge.ts'
import { type HostCallReader, spend } from './host-call.ts'
import { confirmPassword } from './login.ts'
import { ownHostOf } from './own-host.ts'
import { parse, Refused } from './problem.ts'
import type { Throttle } from './throttle.ts'

/** POST /hosts/:id/appeal: by the host or its user, once for an exclusion. What it says is kept as data for an operator. */
export function appeal(edge: Edge, readCall: HostCallReader): RequestHandler {
  return async (req, res) => {
    const own = await ownHostOf(edge, req, readCall)
    if (own === undefined) throw new Refused('scope_missing', 'only the host or its user can appeal')
    const { host, userId, signed } = own
    if (signed === undefined) await requireScope(edge, req, 'enrol', 'campaign')
    const { text } = parse(AppealBody, parseJson(bodyOf(req)))
    if (signed !== undefined) await spend(edge, signed)
    const now = edge.now()
    const exclusion = host.state === 'quarantined' ? await lastExclusion(edge.knex, host.id) : undefined
    if (exclusion === undefined || !mayAppeal(exclusion, now)) throw new Refused('appeal_impossible')
    const { id: actionId } = exclusion
    const filed = await inTransaction(edge.knex, async trx => {
      if (!(await insertAppeal(trx, { actionId, hostId: host.id, userId, words: text, now }))) return false
      await addHostEvents(trx, [{ hostId: host.id, event: 'appealed', detail: actionId }], now)
      return true
    })
    if (!filed) throw new Refused('appeal_impossible')
    const view: ExclusionView = viewExclusion({ ...exclusion, appeal: 'open' })
    res.status(201).json(view)
  }
}

const ActionPage = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
  after: ActionId.optional(),
})

/** GET /actions?after=&limit=: the public log, and with a token of scope admin everything. */
export function showActions(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit, after = null } = parse(ActionPage, req.query)
    const all = await isOperator(edge, req)
    const now = edge.now()
    const rows = await listActions(edge.knex, { after, limit, all, now })
    const view: ActionList = {
      actions: rows.map(row => ({
        ...{ id: row.id, kind: row.kind, pseudonym: row.pseudonym, actor: row.actor, reason: row.reason },
        ...{ at: toWire(row.at), appeal: row.appeal, decision: row.decision },
        ...(all
          ? { hostIds: row.hostIds, detail: row.detail, words: row.words, public: isPublic(row, now) }
          : {}),
      })),
      nextAfter: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
    }
    res.json(view)
  }
}

async function isOperator(edge: Edge, req: Request): Promise<boolean> {
  return (await callerIfAny(edge, req))?.scopes.includes('admin') ?? false
}

/** DELETE /me: logged in with the password, or by a token of scope campaign; an enrolment token lies on too many machines for that. */
export function deleteMe(edge: Edge, throttle: Throttle): RequestHandler {
  return async (req, res) => {
    const caller = await requireAccount(edge, req, 'campaign')
    const { userId } = caller
    if (caller.sessionId !== null) {
      const { password } = parse(DeleteBody, parseJson(bodyOf(req)))
      await confirmPassword(edge, throttle, { req, caller, password })
    }
    const { outcome, woken } = await inTransaction(edge.knex, async trx => {
      const deleted = await deleteUser(trx, userId, edge.now())
      await edge.wake.workUnits(trx, deleted.woken)
      return deleted
    })
    if (outcome === 'campaigns_running') throw new Refused('campaigns_running')
    if (outcome === 'is_operator') throw new Refused('scope_missing', 'operators are deleted by no call')
    takeSession(edge, req, res)
    edge.log.info({ userId, leases: woken.length }, 'an account was deleted')
    const reply: DeletedReply = { userId, deleted: true }
    res.json(reply)
  }
}

/** What the owner of a host sees besides what everybody does. */
export async function viewOwn(edge: Edge, host: HostRow): Promise<OwnView> {
  const exclusion = host.state === 'quarantined' ? await lastExclusion(edge.knex, host.id) : undefined
  const notices = await noticesOf(edge.knex, host.id, NOTICES_SHOWN_MAX)
  return {
    selfTest: host.selfTest,
    dailyQuota: host.dailyQuota,
    notices: notices.map(({ at, notice }) => ({ at: toWire(at), text: notice })),
    exclusion: exclusion === undefined ? null : viewExclusion(exclusion),
  }
}

const viewExclusion = (action: ActionRow): ExclusionView => ({
  ...{ actionId: action.id, reason: action.reason, at: toWire(action.at), appeal: action.appeal },
  ...{ appealUntil: toWire(action.appealUntil), decision: action.decision },
})

/** A quarantine that is not public yet shows as a pause. */
export async function publicState(
  edge: Edge,
  view: Pick<HostView, 'id' | 'state'>,
): Promise<HostView['state']> {
  if (view.state !== 'quarantined') return view.state
  const exclusion = await lastExclusion(edge.knex, view.id)
  return exclusion !== undefined && isPublic(exclusion, edge.now()) ? 'quarantined' : 'paused'
}
