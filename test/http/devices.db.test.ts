import { afterAll, beforeAll, expect, test } from 'vitest'
import { DeviceStart, DeviceToken } from '#protocol/devices.ts'
import { DEVICE_INTERVAL_MS, DEVICE_MS } from '#protocol/limits.ts'
import { joinedBrowser, openBrowserClient, PASSWORD, whoIsIn } from '#support/browser-client.ts'
import { enrolHost, startServer, type TestServer } from '#support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

const FROM = { 'x-forwarded-for': '203.0.113.44' }
const start = async (scopes = ['enrol', 'campaign']) => {
  const body = { machine: '<b>owl</b>', scopes }
  const reply = await server.call('POST', '/api/v1/devices', { body, headers: FROM })
  return DeviceStart.parse(reply.json)
}
const poll = (deviceCode: string) => server.call('POST', '/api/v1/devices/token', { body: { deviceCode } })

test('a program gets a key with what it asked for, as far as the account may, once a person said yes', async () => {
  const { browser, name, userId } = await joinedBrowser(server)
  const { deviceCode, userCode, url } = await start()
  expect(userCode).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/)
  expect(url).toBe(`${server.url}/device`)
  expect((await poll(deviceCode)).code).toBe('device_pending')
  const seen = await browser.call('POST', '/devices/look', { userCode: userCode.toLowerCase() })
  expect(seen.json).toMatchObject({ machine: '<b>owl</b>', address: '203.0.113.44', state: 'waiting' })
  const other = (await joinedBrowser(server)).browser
  expect((await browser.call('POST', '/devices/decide', { userCode, approve: true })).status).toBe(200)
  expect((await other.call('POST', '/devices/decide', { userCode, approve: true })).code).toBe(
    'device_unknown',
  )
  server.advance(DEVICE_INTERVAL_MS)
  const given = DeviceToken.parse((await poll(deviceCode)).json)
  expect(given).toMatchObject({ userId, name, scopes: ['read', 'enrol'] })
  expect((await poll(deviceCode)).code).toBe('device_expired')
  const host = await enrolHost(server, { token: given.token })
  const { json } = await browser.call('GET', '/me')
  expect(json).toMatchObject({ hosts: [{ id: host.id }] })
  expect((await browser.call('GET', '/keys')).json).toMatchObject({
    keys: [{ label: 'login of <b>owl</b>' }],
  })
})

test('a login is refused, ends after ten minutes, and is asked for at its pace', async () => {
  const { browser } = await joinedBrowser(server)
  const first = await start()
  expect((await poll(first.deviceCode)).code).toBe('device_pending')
  const early = await poll(first.deviceCode)
  expect(early.json).toMatchObject({ code: 'device_slow_down', retryAfterMs: 2 * DEVICE_INTERVAL_MS })
  await browser.call('POST', '/devices/decide', { userCode: first.userCode, approve: false })
  expect((await poll(first.deviceCode)).code).toBe('device_denied')
  const second = await start()
  server.advance(DEVICE_MS)
  expect((await poll(second.deviceCode)).code).toBe('device_expired')
  const late = await browser.call('POST', '/devices/decide', { userCode: second.userCode, approve: true })
  expect(late.code).toBe('device_unknown')
})

test('codes cannot be guessed at any pace, and only who is logged in may look', async () => {
  const { browser } = await joinedBrowser(server)
  const said: (string | undefined)[] = []
  for (let i = 0; i < 14; i++)
    said.push(
      (await browser.call('POST', '/devices/look', { userCode: `BBBBBBB${'BCDFGHJKLMNPQR'[i]}` })).code,
    )
  expect(said).toEqual([...Array(11).fill('device_unknown'), ...Array(3).fill('login_throttled')])
  const { userCode } = await start()
  const nobody = openBrowserClient(server)
  expect((await nobody.call('POST', '/devices/look', { userCode })).code).toBe('token_missing')
})

test('a host is renamed and retired by its account only; the export has all of it and no secret', async () => {
  const { browser, name } = await joinedBrowser(server)
  const { json } = await browser.call('POST', '/keys', { label: 'for hosts', scopes: ['enrol'] })
  const { key } = json as { key: string }
  const host = await enrolHost(server, { token: key })
  const stranger = (await joinedBrowser(server)).browser
  const path = `/hosts/${host.id}`
  expect((await stranger.call('POST', `${path}/retire`)).code).toBe('not_found')
  expect((await browser.call('PUT', `${path}/name`, { name: '<i>owl</i>' })).json).toMatchObject({
    name: '<i>owl</i>',
  })
  expect((await browser.call('POST', `${path}/retire`)).json).toMatchObject({ state: 'retired' })
  expect((await host.call()).code).toBe('host_retired')
  const exported = await browser.call('GET', '/me/export')
  expect(exported.json).toMatchObject({
    account: { name, roles: ['volunteer'] },
    hosts: [{ id: host.id, state: 'retired' }],
    keys: [{ label: 'for hosts' }],
    ledger: [],
  })
  expect(exported.text).not.toContain(key)
  expect(exported.text).not.toMatch(/argon2|hash/i)
})

test('an account goes for good with its password only, and leaves no trace of the person', async () => {
  const { browser, name, userId } = await joinedBrowser(server)
  const { knex } = server.database
  await knex.raw('update users set email = ? where id = ?', ['erika@example.org', userId])
  expect((await browser.call('DELETE', '/me', { password: 'a wrong one' })).code).toBe('login_failed')
  expect((await browser.call('DELETE', '/me', { password: PASSWORD })).json).toEqual({
    userId,
    deleted: true,
  })
  expect(await whoIsIn(browser)).toBeUndefined()
  expect((await browser.logIn(name)).code).toBe('login_failed')
  for (const table of ['users', 'passwords', 'sessions', 'device_requests', 'attempts'])
    expect(JSON.stringify((await knex.raw('select * from ??', [table])).rows)).not.toMatch(
      new RegExp(`${name}"|erika`),
    )
})
