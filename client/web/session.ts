// Who is logged in in this browser, and calls that change something.

import { computed, signal } from '@preact/signals'
import type { SessionView } from '#protocol/accounts.ts'
import { COOKIES, CSRF_HEADER } from '#protocol/cookies.ts'
import { Refusal, send } from './data.ts'
import { address, go } from './router.ts'

/** What the server says of this browser; undefined until it was asked. */
export const session = signal<SessionView | undefined>(undefined)

/** The account that is logged in; null: nobody is, undefined: not known yet. */
export const user = computed(() => (session.value === undefined ? undefined : session.value.user))

type SessionScope = NonNullable<SessionView['user']>['scopes'][number]

/** Whether who is logged in may do such things. `admin` includes everything. */
export const may = (scope: SessionScope): boolean =>
  user.value?.scopes.some(own => own === scope || own === 'admin') ?? false

/** Asks who is logged in. What another tab changed is seen when this one is looked at again. */
export async function openSession(): Promise<void> {
  addEventListener('visibilitychange', () => document.hidden || void refreshSession())
  await refreshSession()
}

export async function refreshSession(): Promise<void> {
  try {
    const now = await send<SessionView>('GET', '/session')
    if (JSON.stringify(now) !== JSON.stringify(session.value)) session.value = now
  } catch {
    // Offline: what was known stands.
  }
}

/** What proves that a call comes from a page of ours. Read anew each time: another tab may have logged in. */
export function proof(): Record<string, string> {
  const jar = new Map(
    document.cookie.split('; ').map(part => [part.split('=')[0], part.split('=')[1]] as const),
  )
  const value = jar.get(`__Host-${COOKIES.csrf}`) ?? jar.get(COOKIES.csrf)
  return value === undefined ? {} : { [CSRF_HEADER]: value }
}

/**
 * Calls the API below /api/v1 as who is logged in, to change something. A body that is no text goes as JSON.
 * @throws Refusal with the server's problem; when the session is over the page of the login is shown first
 */
export async function post<T>(
  path: string,
  body?: unknown,
  {
    method = 'POST',
    headers = {},
  }: { method?: 'POST' | 'PUT' | 'DELETE'; headers?: Record<string, string> } = {},
): Promise<T> {
  try {
    return await send<T>(method, path, { body, headers: { ...proof(), ...headers } })
  } catch (error) {
    if (error instanceof Refusal && error.problem.code === 'session_over') {
      await refreshSession()
      go(loginPath())
    }
    throw error
  }
}

/** Logs this browser out, and says so on the page it is on. */
export async function logOut(): Promise<void> {
  session.value = await post<SessionView>('/session', undefined, { method: 'DELETE' })
}

/** The login, and back to where the reader is now. */
export const loginPath = (): string => {
  const here = `${address.value.pathname}${address.value.search}`
  return /^\/(login|signup)\b/.test(here) ? '/login' : `/login?next=${encodeURIComponent(here)}`
}

/** Where to go after logging in: a path of this app and nothing else, whatever the address says. */
export function safeNext(next: string | null): string {
  if (next === null || !/^\/(?![/\\])/.test(next)) return '/me'
  const to = URL.parse(next, location.origin)
  return to?.origin === location.origin ? `${to.pathname}${to.search}` : '/me'
}
