import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NewInvitation } from '#protocol/accounts.ts'
import { freshName, joinedBrowser, openBrowserClient, PASSWORD } from '#support/browser-client.ts'
import { addToken, addUser } from '#support/builders.ts'
import { phcOf } from '#support/phc.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { solvedWork } from '#support/solved.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const joined = () => joinedBrowser(server)
const rows = async (sql: string, ...of: unknown[]) => (await server.database.knex.raw(sql, of as never)).rows

describe('signing up', () => {
  test('makes an account and logs it in; the password is stored as argon2id with its parameters', async () => {
    const { browser, name, userId } = await joined()
    expect((await browser.call('GET', '/session')).json).toMatchObject({
      user: { userId, name, roles: ['volunteer'], scopes: ['read', 'enrol'], email: null },
      signup: 'open',
    })
    expect((await browser.call('GET', '/me')).json).toMatchObject({ userId, name, key: null })
    const [{ hash }] = await rows('select hash from passwords where user_id = ?', userId)
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    const all = JSON.stringify(await rows('select * from sessions where user_id = ?', userId))
    expect(all).not.toContain(browser.cookies.get('xeenet_session'))
  })

  test.each([
    ['Ａda Lovelace', 201, undefined], // full-width: kept as plain letters
    ['ada lovelace', 409, 'name_taken'],
    ['Adа Lоvеlасе', 422, 'name_refused'], // Cyrillic among Latin
    ['Ada_Love1ace', 409, 'name_taken'],
    ['Åda Lovelace', 409, 'name_taken'],
    ['ада', 201, undefined],
    ['aдa', 422, 'name_refused'],
    ['paypal', 201, undefined],
    ['раураӏ', 409, 'name_taken'], // Cyrillic throughout
    ['admin', 422, 'name_refused'],
    ['Аdmin', 422, 'name_refused'],
    ['X e e n e t', 422, 'name_refused'],
    ['<b>bold</b>', 422, 'name_refused'],
    ['a\u202eb', 422, 'name_refused'],
    ['z\u0300\u0301\u0302\u0303\u0304\u0305', 422, 'name_refused'],
    ['x', 422, 'name_refused'],
    ['東京 太郎', 201, undefined],
    ['x'.repeat(41), 422, 'name_refused'],
    ['y'.repeat(61), 400, 'bad_request'],
  ])('as %j answers %i', async (name, status, code) => {
    const reply = await openBrowserClient(server).signUp(name)
    expect([reply.status, reply.code]).toEqual([status, code])
  })

  test.each([
    ['short', 422],
    ['aaaaaaaaaaaaaaaa', 422],
    ['password1234', 422],
    ['x'.repeat(257), 400],
  ])('with the password %j is refused', async (password, status) => {
    const name = freshName()
    expect((await openBrowserClient(server).signUp(name, { password })).status).toBe(status)
    expect(await rows('select from users where name = ?', name)).toEqual([])
  })

  test('takes work that was never spent before, and is counted by network and day', async () => {
    const browser = openBrowserClient(server)
    const work = await solvedWork(server, {}, '/api/v1/accounts/challenge')
    const body = (name: string) => ({ name, password: PASSWORD, work })
    expect((await browser.call('POST', '/accounts', { ...body('worker a'), work: undefined })).code).toBe(
      'challenge_required',
    )
    expect((await browser.call('POST', '/accounts', body('worker b'))).status).toBe(201)
    expect((await browser.call('POST', '/accounts', body('worker c'))).code).toBe('challenge_spent')

    const few = await startServer({ perPrefixDay: 2, anonymousPerMinute: 100 }, server)
    const there = { 'x-forwarded-for': '198.51.100.7' }
    const statuses: (number | string | undefined)[] = []
    for (const name of ['one of many', 'two of many', 'three of many', 'four of many']) {
      const reply = await openBrowserClient(few, there)
        .signUp(name)
        .catch(() => 'no challenge')
      statuses.push(typeof reply === 'string' ? reply : reply.status)
    }
    expect(statuses).toEqual([201, 201, 'no challenge', 'no challenge'])
    await few.close()
  })

  test('is for the invited only, or for nobody, where the operator says so', async () => {
    const strict = await startServer({ signup: 'invitation', signupRole: 'researcher' }, server)
    const stranger = openBrowserClient(strict)
    expect((await stranger.call('GET', '/accounts/challenge')).code).toBe('signup_closed')
    const bare = { name: 'stranger', password: PASSWORD }
    expect((await stranger.call('POST', '/accounts', bare)).code).toBe('signup_closed')
    const { id } = await addUser(server.database.knex, 'the boss')
    const token = await addToken(server.database.knex, id, { scopes: ['admin'] })
    const expiresAt = new Date(server.now() + 3600_000).toISOString()
    const body = { role: 'researcher', label: 'a colleague', expiresAt }
    const made = await strict.call('POST', '/api/v1/invitations', { token, body })
    const { code, url } = NewInvitation.parse(made.json)
    expect(url).toBe(`${strict.url}/signup#${code}`)
    expect((await strict.call('GET', '/api/v1/invitations', { token })).text).not.toContain(code)
    const guest = openBrowserClient(strict)
    const reply = await guest.signUp('invited guest', { invitation: code, email: 'guest@example.org' })
    expect(reply.json).toMatchObject({ user: { roles: ['researcher'], email: 'guest@example.org' } })
    expect((await guest.call('GET', '/me')).json).toMatchObject({ balanceMilli: expect.any(Number) })
    expect(((await guest.call('GET', '/me')).json as { balanceMilli: number }).balanceMilli).toBeGreaterThan(
      0,
    )
    expect((await guest.signUp('a second guest', { invitation: code })).code).toBe('invitation_unknown')
    const volunteer = (await joined()).browser
    expect((await volunteer.call('POST', '/invitations', body)).code).toBe('scope_missing')
    await strict.close()
  })
})

describe('guessing', () => {
  test('tells nothing about which names exist, and costs the same', async () => {
    const { name } = await joined()
    await addUser(server.database.knex, 'no password')
    const ask = async (who: string) => {
      const { status, json } = await openBrowserClient(server).logIn(who, 'a wrong password')
      return [status, { ...(json as object), requestId: '' }]
    }
    const [known, unknown, without] = [await ask(name), await ask('nobody here'), await ask('no password')]
    expect(known[0]).toBe(401)
    expect(unknown).toEqual(known)
    expect(without).toEqual(known)
  })

  test('makes wait longer and longer, by account and by address, but never a browser that was in before', async () => {
    const own = await startServer({}, server)
    const owner = openBrowserClient(own, { 'x-forwarded-for': '203.0.113.5' })
    await owner.signUp('target')
    await owner.call('DELETE', '/session')
    const guess = (address: string, name: string, password = 'a wrong password') =>
      openBrowserClient(own, { 'x-forwarded-for': address }).logIn(name, password)
    const codes = new Set<string | undefined>()
    for (let i = 0; i < 6; i++) codes.add((await guess(`198.51.100.${i}`, 'target')).code)
    expect([...codes]).toEqual(['login_failed'])
    const waits: number[] = []
    for (let i = 0; i < 9; i++) {
      const refused = await guess(`198.51.100.${40 + i}`, 'TARGET')
      expect(refused.code).toBe('login_throttled')
      waits.push((refused.json as { retryAfterMs: number }).retryAfterMs)
      own.advance(waits.at(-1)!)
      expect((await guess(`198.51.100.${80 + i}`, 'target')).code).toBe('login_failed')
    }
    expect(waits.slice(0, 3)).toEqual([2_000, 4_000, 8_000])
    expect(Math.max(...waits)).toBe(300_000)
    // Strangers guess on; the right password from another browser has to wait like they do, from the known one it does not.
    expect((await guess('192.0.2.1', 'target', PASSWORD)).code).toBe('login_throttled')
    expect((await owner.logIn('target')).status).toBe(200)

    const from = '192.0.2.77'
    let last = ''
    for (let i = 0; i < 22; i++) last = (await guess(from, `nobody ${i}`)).code ?? ''
    expect(last).toBe('login_throttled')
    expect((await guess('192.0.2.78', 'nobody 99')).code).toBe('login_failed')
    await own.close()
  })

  test('many at once is no way around it', async () => {
    const owner = openBrowserClient(server)
    await owner.signUp('besieged')
    const stranger = openBrowserClient(server)
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, i) => stranger.logIn('besieged', `wrong guess ${i}`)),
    )
    const said = replies.map(({ code }) => code)
    expect(said.filter(code => code === 'login_failed')).toHaveLength(6)
    expect(said.filter(code => code === 'login_throttled')).toHaveLength(34)
  })
})

test('a password that was hashed with less is hashed anew at the next login', async () => {
  const { browser, name, userId } = await joined()
  const weak = phcOf(PASSWORD, { memory: 19_456, passes: 1, parallelism: 1 })
  await rows('update passwords set hash = ? where user_id = ?', weak, userId)
  expect((await browser.logIn(name, 'a wrong password')).code).toBe('login_failed')
  expect((await browser.logIn(name)).status).toBe(200)
  const [{ hash }] = await rows('select hash from passwords where user_id = ?', userId)
  expect(hash).toMatch(/m=19456,t=2,p=1/)
  expect((await browser.logIn(name)).status).toBe(200)
})
