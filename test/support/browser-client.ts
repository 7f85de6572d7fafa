import { SessionView } from '#protocol/accounts.ts'
import { CSRF_HEADER } from '#protocol/cookies.ts'
import type { UserId } from '#protocol/units.ts'
import type { Reply } from './send.ts'
import type { TestServer } from './server.ts'
import { solvedWork } from './solved.ts'

/** A browser as far as a server sees it: it keeps cookies, says where a call comes from, and its pages send the proof along. */
export interface BrowserClient {
  readonly cookies: Map<string, string>
  /** How cookies were set, by name: everything after the value. */
  readonly attributes: Map<string, string>
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Reply>
  signUp(name: string, more?: object): Promise<Reply>
  logIn(name: string, password?: string): Promise<Reply>
}

export const PASSWORD = 'correct horse battery'

/** @param headers of every call: another address, say. What is undefined is left out of what pages send. */
export function openBrowserClient(
  server: TestServer,
  headers: Readonly<Record<string, string>> = {},
): BrowserClient {
  const cookies = new Map<string, string>()
  const attributes = new Map<string, string>()
  const call: BrowserClient['call'] = async (method, path, body, more = {}) => {
    const csrf = cookies.get('xeenet_csrf') ?? cookies.get('__Host-xeenet_csrf')
    const reply = await server.call(method, `/api/v1${path}`, {
      body,
      headers: {
        'sec-fetch-site': 'same-origin',
        ...(method === 'GET' ? {} : { origin: server.url }),
        ...(cookies.size === 0 ? {} : { cookie: [...cookies].map(([k, v]) => `${k}=${v}`).join('; ') }),
        ...(csrf === undefined ? {} : { [CSRF_HEADER]: csrf }),
        ...headers,
        ...more,
      },
    })
    for (const line of reply.headers.getSetCookie()) {
      const [, name = '', value = '', rest = ''] = /^([^=]+)=([^;]*);?(.*)$/.exec(line) ?? []
      if (/Expires=Thu, 01 Jan 1970/.test(rest)) cookies.delete(name)
      else cookies.set(name, value)
      attributes.set(name, rest.trim())
    }
    return reply
  }
  return {
    ...{ cookies, attributes, call },
    signUp: async (name, more = {}) => {
      const invited = 'invitation' in more
      const work = invited ? {} : { work: await solvedWork(server, headers, '/api/v1/accounts/challenge') }
      return call('POST', '/accounts', { name, password: PASSWORD, ...work, ...more })
    },
    logIn: (name, password = PASSWORD) => call('POST', '/session', { name, password }),
  }
}

let names = 0
/** A name that looks like no other one of this file. */
export const freshName = (): string =>
  `guest ${[...String(names++)].map(digit => 'abcdefghjk'[Number(digit)]).join('')}`

/** A browser in which a new account is logged in. */
export async function joinedBrowser(
  server: TestServer,
): Promise<{ browser: BrowserClient; name: string; userId: UserId }> {
  const browser = openBrowserClient(server)
  const name = freshName()
  const { json, text } = await browser.signUp(name)
  const { user } = SessionView.parse(json)
  if (user === null) throw new Error(text)
  return { browser, name, userId: user.userId }
}

/** Who a server says is logged in. */
export const whoIsIn = async (browser: BrowserClient): Promise<string | undefined> =>
  SessionView.parse((await browser.call('GET', '/session')).json).user?.name
