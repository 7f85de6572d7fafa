import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NewKey } from '#protocol/keys.ts'
import { SESSION_IDLE_MS, SESSION_MS } from '#protocol/limits.ts'
import { freshName, joinedBrowser, openBrowserClient, PASSWORD, whoIsIn } from '#support/browser-client.ts'
import { addToken, addUser } from '#support/builders.ts'
import { startServer, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const joined = () => joinedBrowser(server)
const rows = async (sql: string, ...of: unknown[]) => (await server.database.knex.raw(sql, of as never)).rows

describe('a session', () => {
  test('begins with a fresh secret at every login, and the one before is worth nothing', async () => {
    const { browser, name } = await joined()
    const first = browser.cookies.get('xeenet_session')!
    // Fixation: what an attacker planted is not what the session is known by.
    browser.cookies.set('xeenet_session', 'A'.repeat(43))
    expect((await browser.logIn(name)).status).toBe(200)
    expect(browser.cookies.get('xeenet_session')).not.toBe('A'.repeat(43))
    browser.cookies.set('xeenet_session', first)
    expect(await whoIsIn(browser)).toBe(name) // another browser's: still good
    expect((await browser.logIn(name)).status).toBe(200)
    const second = browser.cookies.get('xeenet_session')!
    expect(second).not.toBe(first)
    const old = openBrowserClient(server)
    old.cookies.set('xeenet_session', first)
    expect(await whoIsIn(old)).toBeUndefined()
    expect((await old.call('GET', '/me')).code).toBe('token_missing') // its cookie was taken away
  })

  test('ends at logout, and its cookies are worth nothing afterwards', async () => {
    const { browser } = await joined()
    const kept = new Map(browser.cookies)
    expect((await browser.call('DELETE', '/session')).json).toMatchObject({ user: null })
    expect([...browser.cookies.keys()]).toEqual(['xeenet_browser'])
    for (const [name, value] of kept) browser.cookies.set(name, value)
    expect((await browser.call('GET', '/me')).code).toBe('session_over')
    expect((await browser.call('DELETE', '/session')).status).toBe(200)
  })

  test('has cookies that no script and no other site can use', async () => {
    const { browser } = await joined()
    expect(browser.attributes.get('xeenet_session')).toMatch(
      /^Max-Age=\d+; Path=\/; .*HttpOnly; SameSite=Lax$/,
    )
    expect(browser.attributes.get('xeenet_session')).not.toMatch(/Domain|Secure/)
    expect(browser.attributes.get('xeenet_csrf')).not.toMatch(/HttpOnly/)
    const https = await startServer({ publicUrl: 'https://x.org' }, server)
    const there = { host: 'x.org', origin: 'https://x.org', 'x-forwarded-proto': 'https' }
    const secure = openBrowserClient(https, there)
    expect((await secure.signUp(freshName())).status).toBe(201)
    expect([...secure.cookies.keys()].sort()).toEqual([
      '__Host-xeenet_browser',
      '__Host-xeenet_csrf',
      '__Host-xeenet_session',
    ])
    for (const name of secure.cookies.keys())
      expect(secure.attributes.get(name)).toMatch(/Path=\/; .*Secure; SameSite=Lax$/)
    // A cookie without the prefix may have been set by any host of the domain.
    const [value] = [secure.cookies.get('__Host-xeenet_session')!]
    secure.cookies.clear()
    secure.cookies.set('xeenet_session', value)
    expect(await whoIsIn(secure)).toBeUndefined()
    await https.close()
  })

  test('ends when nobody used it for long, and at last whatever was done', async () => {
    const own = await startServer({}, server)
    const browser = openBrowserClient(own)
    await browser.signUp('sleeper one')
    own.advance(SESSION_IDLE_MS - 1_000)
    expect(await whoIsIn(browser)).toBe('sleeper one')
    own.advance(SESSION_IDLE_MS + 1_000)
    expect((await browser.call('GET', '/me')).code).toBe('session_over')
    await browser.logIn('sleeper one')
    for (let spent = 0; spent < SESSION_MS; spent += SESSION_IDLE_MS / 2) {
      expect(await whoIsIn(browser)).toBe('sleeper one')
      own.advance(SESSION_IDLE_MS / 2)
    }
    expect(await whoIsIn(browser)).toBeUndefined()
    await own.close()
  })

  test('is listed, and ends from elsewhere, one or all', async () => {
    const { browser, name } = await joined()
    const agents = ['Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0', 'curl/8']
    const others = agents.map(agent => openBrowserClient(server, { 'user-agent': agent }))
    for (const other of others) await other.logIn(name)
    type Listed = { sessions: { id: string; device: string; current: boolean }[] }
    const { sessions } = (await browser.call('GET', '/sessions')).json as Listed
    expect(sessions.map(({ device }) => device)).toEqual(
      expect.arrayContaining(['Firefox on Linux', 'another program']),
    )
    expect(sessions.filter(({ current }) => current)).toHaveLength(1)
    const firefox = sessions.find(({ device }) => device.startsWith('Firefox'))!
    expect((await browser.call('POST', '/sessions/revoke', { ids: [firefox.id] })).json).toEqual({
      revoked: 1,
    })
    expect(await Promise.all(others.map(whoIsIn))).toEqual([undefined, name])
    const stranger = (await joined()).browser
    expect((await stranger.call('POST', '/sessions/revoke', { ids: [sessions[0]!.id] })).json).toEqual({
      revoked: 0,
    })
    expect((await browser.call('POST', '/sessions/revoke', {})).json).toEqual({ revoked: 2 })
    expect(await Promise.all([browser, ...others].map(whoIsIn))).toEqual([undefined, undefined, undefined])
  })

  test('gives way to a new password everywhere else', async () => {
    const { browser, name } = await joined()
    const other = openBrowserClient(server)
    await other.logIn(name)
    const next = 'another horse entirely'
    const change = (current: string) => browser.call('POST', '/me/password', { current, next })
    expect((await change('not this one')).code).toBe('login_failed')
    expect((await change(PASSWORD)).json).toEqual({ revoked: 1 })
    expect([await whoIsIn(browser), await whoIsIn(other)]).toEqual([name, undefined])
    expect((await other.logIn(name)).code).toBe('login_failed')
    expect((await other.logIn(name, next)).status).toBe(200)
  })
})

describe('what a session may do', () => {
  test('is what a token of its roles may, by every route, and less than an operator', async () => {
    const { browser, userId } = await joined()
    const made = await browser.call('POST', '/keys', { label: 'mine', scopes: ['read', 'enrol'] })
    expect(NewKey.parse(made.json).key).toMatch(/^xk_/)
    expect((await browser.call('POST', '/keys', { label: 'x', scopes: ['campaign'] })).code).toBe(
      'scope_missing',
    )
    expect((await browser.call('POST', '/campaigns', {})).code).toBe('scope_missing')
    await rows(`update users set roles = '{researcher}' where id = ?`, userId)
    expect((await browser.call('POST', '/campaigns', {})).code).toBe('campaign_invalid')
    expect((await browser.call('GET', '/invitations')).code).toBe('scope_missing')
    await rows(`update users set roles = '{operator}' where id = ?`, userId)
    expect((await browser.call('GET', '/invitations')).status).toBe(200)
    expect((await browser.call('DELETE', '/me', { password: PASSWORD })).code).toBe('scope_missing') // an operator’s account
  })

  test('is nothing but to leave when the operator blocked the account', async () => {
    const { browser, name, userId } = await joined()
    await rows('update users set blocked_at = now() where id = ?', userId)
    expect((await browser.call('GET', '/me')).code).toBe('account_blocked')
    expect((await openBrowserClient(server).logIn(name)).code).toBe('account_blocked')
    expect((await browser.call('DELETE', '/session')).status).toBe(200)
    expect(await whoIsIn(browser)).toBeUndefined()
  })

  test.each([
    ['without the header', { 'x-xeenet-csrf': '' }],
    ['with the header of another session', { 'x-xeenet-csrf': 'A'.repeat(43) }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from another host of the domain', { 'sec-fetch-site': 'same-site' }],
    ['typed into the address bar', { 'sec-fetch-site': 'none' }],
    ['with another origin', { origin: 'https://evil.example' }],
    ['with no origin at all', { origin: 'null' }],
  ])('is not done %s', async (_, headers) => {
    const { browser } = await joined()
    const change = () => browser.call('POST', '/keys', { label: 'mine', scopes: ['read'] }, headers)
    expect((await change()).code).toBe('csrf_refused')
    expect((await browser.call('DELETE', '/session', undefined, headers)).code).toBe('csrf_refused')
    expect((await browser.call('GET', '/keys')).json).toEqual({ keys: [] })
    expect(await whoIsIn(browser)).toBeDefined()
  })

  test('needs no proof of pages with a token, and no other site can log a reader in', async () => {
    const { id } = await addUser(server.database.knex, freshName())
    const token = await addToken(server.database.knex, id, { scopes: ['campaign'] })
    const { browser, name } = await joined()
    const cross = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example', 'x-xeenet-csrf': '' }
    const body = { label: 'by token', scopes: ['read'] }
    const headers = { ...cross, authorization: `Bearer ${token}` }
    expect((await browser.call('POST', '/keys', body, headers)).status).toBe(201)
    const login = await openBrowserClient(server).call(
      'POST',
      '/session',
      { name, password: PASSWORD },
      cross,
    )
    expect([login.code, login.headers.getSetCookie()]).toEqual(['csrf_refused', []])
  })

  test('is told to no cache, and no page of ours can be framed', async () => {
    const { browser } = await joined()
    const reply = await browser.call('GET', '/me')
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(reply.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(reply.headers.get('content-security-policy')).toMatch(/frame-ancestors/)
    expect(reply.headers.get('access-control-allow-origin')).toBeNull()
  })
})
