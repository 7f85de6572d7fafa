import { signal } from '@preact/signals'
import { send } from './data.ts'
import { loginPath, may, post } from './session.ts'

/** A token that was typed here. It is kept by this page only, and gone with it. */
export const token = signal('')

/** Whether this page may do such things: by a token that was typed, or as who is logged in. */
export const isAllowed = (scope: 'campaign' | 'admin'): boolean => token.value !== '' || may(scope)

/** Calls the API below /api/v1 under the token, or as who is logged in. A body that is a text is YAML. @throws Refusal */
export function call<T>(
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const kind = typeof body === 'string' ? { 'content-type': 'application/yaml' } : {}
  if (token.value !== '')
    return send<T>(method, path, {
      body,
      headers: { authorization: `Bearer ${token.value}`, ...kind, ...headers },
    })
  return method === 'GET'
    ? send<T>(method, path)
    : post<T>(path, body, { method, headers: { ...kind, ...headers } })
}

/** The ways to be allowed: the login, or a token that is typed. Nothing for who is. */
export const TokenField = ({ scope }: { scope: 'campaign' | 'admin' }) =>
  may(scope) ? null : (
    <>
      <p>
        <a href={loginPath()}>Log in</a>, or use a token.
      </p>
      <label class="row">
        <span>Token of scope {scope}</span>
        <input
          type="password"
          autocomplete="off"
          value={token.value}
          onChange={event => (token.value = event.currentTarget.value.trim())}
        />
        <span class="meta">It stays in this page and is gone when you leave it.</span>
      </label>
    </>
  )
