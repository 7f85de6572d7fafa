import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { CookieOptions, Request, Response } from 'express'
import { COOKIES, CSRF_HEADER } from '#protocol/cookies.ts'
import { SESSION_MS } from '#protocol/limits.ts'
import type { UserId } from '#protocol/units.ts'
import type { Edge } from './edge.ts'

// What browsers keep for us. Three cookies: the session, which no script sees; a value derived from it that our pages send back as a
// header, which no other site can; and a mark that says in which browser an account was logged in before.

type Cookie = keyof typeof COOKIES
type Settings = Pick<Edge, 'settings'>

/** Whether browsers reach us over https by this call, as far as it can be told. */
function isSecure({ settings }: Settings, req: Request): boolean {
  const own = settings.publicUrl === undefined ? undefined : new URL(settings.publicUrl)
  if (own?.protocol === 'https:' && own.host === req.headers.host) return true
  return req.secure || req.headers.origin === `https://${req.headers.host}`
}

const nameOf = (cookie: Cookie, secure: boolean): string =>
  secure ? `__Host-${COOKIES[cookie]}` : COOKIES[cookie]

/** A cookie of ours. Over https only the one that no other host of the domain could have set. */
function cookieOf(edge: Settings, req: Request, cookie: Cookie): string | undefined {
  const jar = new Map(
    (req.headers.cookie ?? '').split(';').map(part => {
      const [name = '', ...value] = part.split('=')
      return [name.trim(), value.join('=').trim()]
    }),
  )
  return jar.get(nameOf(cookie, true)) ?? (isSecure(edge, req) ? undefined : jar.get(nameOf(cookie, false)))
}

/** The secret of a session: 256 random bits. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

/** The session that a call brings, unchecked; undefined when it brings none. */
export function sessionSecretOf(edge: Settings, req: Request): string | undefined {
  const value = cookieOf(edge, req, 'session')
  return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined
}

/** Gives a browser the cookies of its session. */
export function giveSession(edge: Settings, req: Request, res: Response, secret: string): void {
  const secure = isSecure(edge, req)
  const shared: CookieOptions = { secure, sameSite: 'lax', path: '/', maxAge: SESSION_MS }
  res.cookie(nameOf('session', secure), secret, { ...shared, httpOnly: true })
  res.cookie(nameOf('csrf', secure), csrfOf(secret), shared)
}

/** Takes them away. */
export function takeSession(edge: Settings, req: Request, res: Response): void {
  for (const cookie of ['session', 'csrf'] as const)
    for (const secure of isSecure(edge, req) ? [true] : [true, false])
      res.clearCookie(nameOf(cookie, secure), { secure, sameSite: 'lax', path: '/' })
}

const csrfOf = (secret: string): string =>
  createHmac('sha256', secret).update('xeenet/csrf/1').digest('base64url')

/** Whether a call carries, in a header, what only a page of ours can read of this session. */
export const provesPage = (req: Request, secret: string): boolean =>
  same(req.get(CSRF_HEADER) ?? '', csrfOf(secret))

/**
 * Whether a call may come from a page of ours. Browsers say so by themselves, and pages cannot make them lie; what says nothing is no
 * browser of this decade.
 */
export function isSameOrigin({ settings }: Settings, req: Request): boolean {
  const site = req.get('sec-fetch-site')
  if (site !== undefined && site !== 'same-origin') return false
  const { origin } = req.headers
  if (origin === undefined) return site !== undefined
  if (settings.publicUrl !== undefined && origin === new URL(settings.publicUrl).origin) return true
  return URL.parse(origin)?.host === req.headers.host
}

const YEAR_MS = 365 * 24 * 3600_000

const markOf = ({ prefixSecret }: Edge, userId: UserId, nonce: string): string =>
  createHmac('sha256', prefixSecret).update(`browser|${userId}|${nonce}`).digest('base64url')

/** Marks a browser as one in which this account was logged in; a mark of another account is replaced. */
export function markBrowser(edge: Edge, req: Request, res: Response, userId: UserId): void {
  if (knownBrowser(edge, req, userId) !== undefined) return
  const nonce = randomBytes(16).toString('base64url')
  const secure = isSecure(edge, req)
  const shared = { httpOnly: true, secure, sameSite: 'lax', path: '/', maxAge: YEAR_MS } as const
  res.cookie(nameOf('browser', secure), `${nonce}.${markOf(edge, userId, nonce)}`, shared)
}

/** What stands for a browser in which this account was logged in before; undefined in any other. */
export function knownBrowser(edge: Edge, req: Request, userId: UserId): string | undefined {
  const [nonce = '', mark = ''] = (cookieOf(edge, req, 'browser') ?? '').split('.')
  return same(mark, markOf(edge, userId, nonce)) ? nonce : undefined
}

const same = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
