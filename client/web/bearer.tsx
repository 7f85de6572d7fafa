import { signal } from '@preact/signals'
import type { Problem } from '#protocol/problem.ts'

/** A token that was typed here. It is kept by this page only, and gone with it. */
export const token = signal('')

/** What a server said no to, with its problem. */
export class CallRefused extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(`${problem.title}${problem.detail === undefined ? '' : ` (${problem.detail})`}. ${problem.hint}`)
    this.problem = problem
  }
}

const REQUEST_MS = 60_000

/** Calls the API below /api/v1 under the token. A body that is a text is YAML. @throws CallRefused */
export async function call<T>(
  method: 'GET' | 'POST',
  path: string,
  body?: string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const isText = typeof body === 'string'
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      ...(token.value === '' ? {} : { authorization: `Bearer ${token.value}` }),
      ...(body === undefined ? {} : { 'content-type': isText ? 'application/yaml' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_MS),
  })
  if (!response.headers.get('content-type')?.includes('json'))
    throw new Error(`The server answered with status ${response.status}.`)
  const json = await response.json() // our own server's, of the same version as this page
  if (!response.ok) throw new CallRefused(json)
  return json
}

/** Where a token is typed. */
export const TokenField = ({ scope }: { scope: string }) => (
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
)
