import { Problem } from '#protocol/problem.ts'

export interface CallOptions {
  readonly token?: string | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: unknown // undefined unless the reply is JSON
  readonly code: string | undefined // of a problem
}

/** One call of a server, its reply read to the end. */
export async function send(
  url: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Reply> {
  const { token, body, headers } = options
  const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(new URL(path, url), {
    method,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /[/+]json$/.test(response.headers.get('content-type')?.split(';')[0] ?? '')
  const json: unknown = isJson && text !== '' ? JSON.parse(text) : undefined
  const problem = response.headers.get('content-type')?.startsWith('application/problem+json')
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    code: problem ? Problem.parse(json).code : undefined,
  }
}
