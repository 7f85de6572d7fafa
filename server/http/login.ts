import type { Request, RequestHandler, Response } from 'express'
import { passwordFault, scopesOf } from '#domain/login.ts'
import {
  LoginBody,
  PasswordBody,
  type RevokedReply,
  RevokeSessionsBody,
  type SessionList,
  type SessionView,
} from '#protocol/accounts.ts'
import { SESSION_IDLE_MS, SESSION_MS, SESSIONS_PER_ACCOUNT_MAX } from '#protocol/limits.ts'
import { addMs, toWire, type UserId } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { findByLogin, passwordOf, rehash, setPassword } from '#store/passwords.ts'
import {
  endOtherSessions,
  endSession,
  endSessions,
  insertSession,
  listSessions,
  type SessionRow,
} from '#store/sessions.ts'
import { tokenHash } from '#store/tokens.ts'
import { requireAccount, requireSession, sessionBy } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { giveSession, isSameOrigin, markBrowser, newSecret, sessionSecretOf, takeSession } from './cookies.ts'
import { deviceOf } from './device-words.ts'
import type { Edge } from './edge.ts'
import { checkPassword, hashPassword } from './passwords.ts'
import { parse, Refused } from './problem.ts'
import type { Throttle } from './throttle.ts'

/** POST /session: name and password for the cookie of a new session. The one that the browser had ends. */
export function logIn(edge: Edge, throttle: Throttle): RequestHandler {
  return async (req, res) => {
    refuseOtherSites(edge, req)
    const { name, password } = parse(LoginBody, parseJson(bodyOf(req)))
    const found = await findByLogin(edge.knex, name)
    const scopes = throttle.scopesOfLogin(req, name, found?.userId)
    await throttle.take(scopes)
    const stored = found?.hash ?? undefined
    const { ok, stale } = await checkPassword(stored, password)
    if (!ok || found === undefined || stored === undefined) throw new Refused('login_failed')
    const { userId } = found
    if (found.isBlocked) throw new Refused('account_blocked')
    const passwordHash = stale ? await hashPassword(password) : stored
    const secret = await inTransaction(edge.knex, async trx => {
      await throttle.forgive(trx, scopes)
      if (stale) await rehash(trx, { userId, from: stored, to: passwordHash })
      return beginSession(trx, edge, { req, userId, passwordHash })
    })
    await answerSession(edge, { req, res, secret, status: 200 })
  }
}

/**
 * Begins a session in the browser that calls; a session it had before ends, whoever's it was. Returns its secret. Throws `Refused` when
 * the account has another password by now.
 */
export async function beginSession(
  trx: Trx,
  edge: Edge,
  { req, userId, passwordHash }: { req: Request; userId: UserId; passwordHash: string },
): Promise<string> {
  const before = sessionSecretOf(edge, req)
  if (before !== undefined) await endSession(trx, tokenHash(before))
  const secret = newSecret()
  const now = edge.now()
  const session = {
    ...{ id: edge.ids.session(now), userId, passwordHash, hash: tokenHash(secret), now },
    ...{ device: deviceOf(req.get('user-agent') ?? ''), expiresAt: addMs(now, SESSION_MS) },
  }
  if (!(await insertSession(trx, session, SESSIONS_PER_ACCOUNT_MAX))) throw new Refused('login_failed')
  return secret
}

/** Answers with the session of `secret` and gives the browser its cookies. */
export async function answerSession(
  edge: Edge,
  { req, res, secret, status }: { req: Request; res: Response; secret: string; status: number },
): Promise<void> {
  const session = await sessionBy(edge, secret)
  if (session === undefined) throw new Refused('session_over')
  giveSession(edge, req, res, secret)
  markBrowser(edge, req, res, session.userId)
  res.status(status).json(viewSession(edge, session))
}

function viewSession(edge: Edge, session: SessionRow | undefined): SessionView {
  const { signup } = edge.settings
  if (session === undefined) return { user: null, signup }
  const { userId, userName, roles, email, expiresAt } = session
  const user = { userId, name: userName, roles, scopes: scopesOf(roles), email, expiresAt: toWire(expiresAt) }
  return { user, signup }
}

/** A page of another site must not log its reader in as somebody else. Who is no browser has no cookie to lose. */
export function refuseOtherSites(edge: Edge, req: Request): void {
  const says = req.get('sec-fetch-site') ?? req.headers.origin
  if (says !== undefined && !isSameOrigin(edge, req)) throw new Refused('csrf_refused')
}

/** GET /session: who is logged in here. */
export function showSession(edge: Edge): RequestHandler {
  return async (req, res) => {
    const secret = sessionSecretOf(edge, req)
    const session = secret === undefined ? undefined : await sessionBy(edge, secret)
    if (secret !== undefined && session === undefined) takeSession(edge, req, res)
    res.json(viewSession(edge, session))
  }
}

/** DELETE /session: logs this browser out. */
export function logOut(edge: Edge): RequestHandler {
  return async (req, res) => {
    const secret = sessionSecretOf(edge, req)
    if (secret !== undefined) {
      await requireSession(edge, req).catch(unlessOver)
      await endSession(edge.knex, tokenHash(secret))
    }
    takeSession(edge, req, res)
    res.json(viewSession(edge, undefined))
  }
}

// Whoever is not logged in any more has logged out, and whoever may do nothing may still go.
function unlessOver(error: unknown): void {
  if (error instanceof Refused && ['session_over', 'account_blocked'].includes(error.problem.code)) return
  throw error
}

/** GET /sessions */
export function showSessions(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId, sessionId } = await requireAccount(edge, req, 'campaign', 'kernel')
    const now = edge.now()
    const rows = await listSessions(edge.knex, { userId, now, idleSince: addMs(now, -SESSION_IDLE_MS) })
    const view: SessionList = {
      sessions: rows.map(({ createdAt, seenAt, expiresAt, ...row }) => ({
        ...row,
        ...{ createdAt: toWire(createdAt), seenAt: toWire(seenAt), expiresAt: toWire(expiresAt) },
        current: row.id === sessionId,
      })),
    }
    res.json(view)
  }
}

/** POST /sessions/revoke: logs out the browsers named, or all. */
export function revokeSessions(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId, sessionId } = await requireAccount(edge, req, 'campaign', 'kernel')
    const { ids } = parse(RevokeSessionsBody, parseJson(bodyOf(req)))
    const revoked = await endSessions(edge.knex, { userId, ids })
    if (sessionId !== null && (ids === undefined || ids.includes(sessionId))) takeSession(edge, req, res)
    const reply: RevokedReply = { revoked }
    res.json(reply)
  }
}

/** POST /me/password: a new one for the one that is known; every other browser is logged out. */
export function changePassword(edge: Edge, throttle: Throttle): RequestHandler {
  return async (req, res) => {
    const caller = await requireSession(edge, req)
    const { current, next } = parse(PasswordBody, parseJson(bodyOf(req)))
    const { userId } = caller
    await confirmPassword(edge, throttle, { req, caller, password: current })
    const fault = passwordFault(next, caller.userName)
    if (fault !== undefined) throw new Refused('password_weak', fault)
    const hash = await hashPassword(next)
    const now = edge.now()
    const revoked = await inTransaction(edge.knex, async trx => {
      await setPassword(trx, { userId, hash, now })
      return endOtherSessions(trx, userId, caller.sessionId)
    })
    const reply: RevokedReply = { revoked }
    res.json(reply)
  }
}

/** What cannot be taken back asks for the password again: a browser may have been left open. Throws `Refused`. */
export async function confirmPassword(
  edge: Edge,
  throttle: Throttle,
  {
    req,
    caller: { userId, userName },
    password,
  }: { req: Request; caller: { userId: UserId; userName: string }; password: string },
): Promise<void> {
  const scopes = throttle.scopesOfLogin(req, userName, userId)
  await throttle.take(scopes)
  const { ok } = await checkPassword(await passwordOf(edge.knex, userId), password)
  if (!ok) throw new Refused('login_failed')
  await inTransaction(edge.knex, trx => throttle.forgive(trx, scopes))
}
