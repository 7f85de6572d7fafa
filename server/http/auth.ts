import type { Request } from 'express'
import { scopesOf } from '#domain/login.ts'
import { SESSION_IDLE_MS } from '#protocol/limits.ts'
import { addMs, type SessionId, type TokenId } from '#protocol/units.ts'
import { findSession, type SessionRow, touchSession } from '#store/sessions.ts'
import { type Bearer, findBearer, type Scope, tokenHash } from '#store/tokens.ts'
import { isSameOrigin, provesPage, sessionSecretOf } from './cookies.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** Who calls, and what the call may do: by a token of an account, or by a session of a browser. */
export type Caller = Pick<Bearer, 'userId' | 'userName' | 'roles' | 'scopes' | 'isKey' | 'hostsLeft'> &
  (
    | { readonly tokenId: TokenId; readonly sessionId: null }
    | { readonly tokenId: null; readonly sessionId: SessionId }
  )

/** The token of `authorization: Bearer`, or undefined when there is no such header. */
export function tokenOf(req: Request): string | undefined {
  return /^Bearer ([\w-]{1,200})$/i.exec(req.headers.authorization ?? '')?.[1]
}

/** Who calls, with a user's token or logged in; throws `Refused` when nobody does. */
export async function callerOf(edge: Edge, req: Request): Promise<Caller> {
  const token = tokenOf(req)
  return token === undefined ? callerInBrowser(edge, req) : callerBy(edge, token)
}

/** Who is logged in in the browser that calls, whatever token it sends along; throws `Refused` when nobody is, or without its proof. */
export async function callerInBrowser(edge: Edge, req: Request): Promise<Caller> {
  const secret = sessionSecretOf(edge, req)
  if (secret === undefined) throw new Refused('token_missing')
  if (!mayAct(edge, req, secret)) throw new Refused('csrf_refused')
  const session = await sessionBy(edge, secret)
  if (session === undefined) throw new Refused('session_over')
  if (session.isBlocked) throw new Refused('account_blocked')
  return fromSession(session)
}

/** The same where nobody in particular may call as well: whose session is over, or is not proven, is nobody. */
export async function callerIfAny(edge: Edge, req: Request): Promise<Caller | undefined> {
  const token = tokenOf(req)
  if (token !== undefined) return callerBy(edge, token)
  const secret = sessionSecretOf(edge, req)
  if (secret === undefined || !mayAct(edge, req, secret)) return undefined
  const session = await sessionBy(edge, secret)
  return session === undefined || session.isBlocked ? undefined : fromSession(session)
}

const READS = ['GET', 'HEAD']

// A browser sends its cookies along with whatever another site makes it call.
const mayAct = (edge: Edge, req: Request, secret: string): boolean =>
  READS.includes(req.method) || (provesPage(req, secret) && isSameOrigin(edge, req))

/** Whether a call that changes something would act for an account: by a token, or by a session with its proof. */
export function namesCaller(edge: Edge, req: Request): boolean {
  if (tokenOf(req) !== undefined) return true
  const secret = sessionSecretOf(edge, req)
  return secret !== undefined && provesPage(req, secret)
}

const TOUCH_MS = 60_000

/** The session of a cookie, noted as used; undefined when it is over. */
export async function sessionBy(edge: Edge, secret: string): Promise<SessionRow | undefined> {
  const now = edge.now()
  const idleSince = addMs(now, -SESSION_IDLE_MS)
  const session = await findSession(edge.knex, { hash: tokenHash(secret), now, idleSince })
  if (session !== undefined && session.seenAt < now - TOUCH_MS)
    await touchSession(edge.knex, session.sessionId, now)
  return session
}

const fromSession = ({ userId, userName, roles, sessionId }: SessionRow): Caller => ({
  ...{ userId, userName, roles, sessionId, scopes: scopesOf(roles) },
  ...{ isKey: false, hostsLeft: null, tokenId: null },
})

async function callerBy(edge: Pick<Edge, 'knex' | 'now'>, token: string): Promise<Caller> {
  const bearer = await findBearer(edge.knex, token)
  if (bearer === undefined) throw new Refused('token_unknown')
  const expired = bearer.expiresAt !== null && bearer.expiresAt <= edge.now()
  if (expired || bearer.revokedAt !== null) throw new Refused('token_expired')
  if (bearer.isBlocked) throw new Refused('account_blocked')
  return { ...bearer, sessionId: null }
}

/** The same as `callerOf`, and the call may do one of these things. `admin` includes every other. */
export async function requireScope(edge: Edge, req: Request, ...scopes: readonly Scope[]): Promise<Caller> {
  return allow(await callerOf(edge, req), scopes)
}

/** The same of a token that is not in the header. */
export const callerWith = async (
  edge: Pick<Edge, 'knex' | 'now'>,
  token: string,
  scope: Scope,
): Promise<Caller> => allow(await callerBy(edge, token), [scope])

/** Whether a caller has one of the scopes. */
export const hasScope = (caller: Pick<Caller, 'scopes'>, ...scopes: readonly Scope[]): boolean =>
  caller.scopes.some(scope => scope === 'admin' || scopes.includes(scope))

function allow(caller: Caller, scopes: readonly Scope[]): Caller {
  if (!hasScope(caller, ...scopes))
    throw new Refused('scope_missing', `needs the scope ${scopes.join(' or ')}`)
  return caller
}

/** What is its account's own: for a person who is logged in, or a token with one of the scopes. */
export async function requireOwn(edge: Edge, req: Request, ...scopes: readonly Scope[]): Promise<Caller> {
  const caller = await callerOf(edge, req)
  return caller.sessionId === null ? allow(caller, scopes) : caller
}

/** The API key that calls; null for an account's own token and for a session. */
export const keyIdOf = ({ isKey, tokenId }: Caller): TokenId | null => (isKey ? tokenId : null)

/**
 * An account speaks for itself, in a browser that is logged in or by a token of its own with one of the scopes: what an API key may
 * never do.
 */
export async function requireAccount(edge: Edge, req: Request, ...scopes: readonly Scope[]): Promise<Caller> {
  const caller = await requireOwn(edge, req, ...scopes)
  if (caller.isKey) throw new Refused('scope_missing', 'no API key may do that: use a token of the account')
  return caller
}

/** A person is there: logged in, with no token of any kind. */
export async function requireSession(
  edge: Edge,
  req: Request,
): Promise<Caller & { readonly sessionId: SessionId }> {
  const caller = await callerOf(edge, req)
  if (caller.sessionId === null)
    throw new Refused('scope_missing', 'no token may do that: log in with a browser')
  return caller
}
