import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LocalPage, servePage } from '../../client/node/local/page.ts'

let directory = ''
let page: LocalPage
let behind: Server
let heard: string[] = []

/** The server that the client computes for, which may say anything. */
const BEHIND: Readonly<Record<string, readonly [string, string]>> = {
  '/api/v1/hosts/h_1?x=1': ['application/json', '{"name":"owl"}'],
  '/api/v1/evil': ['text/html', '<script>alert(1)</script>'],
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-page-'))
  await mkdir(join(directory, 'assets'))
  await writeFile(join(directory, 'local.html'), '<!doctype html>')
  await writeFile(join(directory, 'assets', 'local.js'), '1')
  await writeFile(join(directory, 'secret.json'), '1')
  heard = []
  behind = createServer((req, res) => {
    const [type, text] = BEHIND[req.url ?? ''] ?? ['application/json', '{}']
    res.setHeader('content-type', type).end(text)
  })
  await new Promise<void>(done => behind.listen(0, '127.0.0.1', done))
  const address = behind.address()
  const port = typeof address === 'object' ? address?.port : 0
  page = await servePage(directory, {
    status: async () => ({ running: null }),
    command: async body => ({ heard: heard.push(body) }),
    start: async wish => ({ heard: heard.push(JSON.stringify(wish)) }),
    server: () => `http://127.0.0.1:${port}`,
  })
})
afterEach(async () => {
  await page.close()
  behind.close()
  await rm(directory, { recursive: true, force: true })
})

interface Asked {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

function ask(path: string, headers: Record<string, string> = {}, body?: string): Promise<Asked> {
  const { port, host } = new URL(page.url)
  return new Promise((done, fail) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { host, ...headers },
      },
      res =>
        void readAll(res).then(
          text => done({ status: res.statusCode ?? 0, text, headers: res.headers }),
          fail,
        ),
    )
    asked.on('error', fail).end(body)
  })
}

/** Visits the printed address, as a browser does; the cookie. */
async function visit(): Promise<Record<string, string>> {
  const { pathname, search } = new URL(page.url)
  const first = await ask(`${pathname}${search}`)
  expect(first.status).toBe(303)
  const [cookie = ''] = [first.headers['set-cookie'] ?? ''].flat()
  expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/)
  return { cookie: cookie.split(';')[0] ?? '' }
}

describe('the page of this machine', () => {
  test('opens once by its code, and then by its cookie', async () => {
    const cookie = await visit()
    const { pathname, search } = new URL(page.url)
    expect((await ask(`${pathname}${search}`)).status).toBe(401)
    const shown = await ask('/', cookie)
    expect([shown.status, shown.text]).toEqual([200, '<!doctype html>'])
    expect(shown.headers['content-security-policy']).toContain("default-src 'none'")
    expect((await ask('/assets/local.js', cookie)).status).toBe(200)
    expect((await ask('/local/status', cookie)).text).toBe('{"running":null}')
  })

  test.each(['/', '/local/status', '/assets/local.js', '/api/v1/hosts/h_1?x=1'])(
    '%s is not shown without it',
    async path => {
      expect((await ask(path)).status).toBe(401)
      expect(
        (await ask(path, { cookie: `xeenet-local-${new URL(page.url).port}=${'x'.repeat(43)}` })).status,
      ).toBe(401)
    },
  )

  test.each([
    ['a name that a stranger lets lead here', { host: 'evil.example:80' }],
    ['localhost, which may be a stranger’s name for us', { host: 'localhost' }],
    ['another origin', { origin: 'https://evil.example' }],
    ['another port of this machine', { origin: 'http://127.0.0.1:1' }],
    ['a form of another site', { 'sec-fetch-site': 'cross-site' }],
    ['another port, by what the browser says', { 'sec-fetch-site': 'same-site' }],
  ])('%s commands nothing, even with the cookie', async (_name, headers) => {
    const cookie = await visit()
    const refused = await ask('/local/command', { ...cookie, ...headers }, '{"type":"stop"}')
    expect(refused.status).toBe(403)
    expect(heard).toEqual([])
  })

  test('takes commands and a start; a start without sense is refused', async () => {
    const cookie = { ...(await visit()), origin: new URL(page.url).origin }
    expect((await ask('/local/command', cookie, '{"type":"stop"}')).status).toBe(200)
    const wish = { settings: { preset: 'all' }, server: 'https://x.org' }
    expect((await ask('/local/start', cookie, JSON.stringify(wish))).status).toBe(200)
    for (const bad of ['', '{}', JSON.stringify({ ...wish, server: 'file:///etc' })])
      expect((await ask('/local/start', cookie, bad)).status).toBe(400)
    expect((await ask('/local/command', cookie, 'x'.repeat(5_000))).status).toBe(413)
    expect(heard).toEqual(['{"type":"stop"}', JSON.stringify(wish)])
  })

  test('passes reads on to the server, but nothing that could act here; and gives no other file', async () => {
    const cookie = await visit()
    expect((await ask('/api/v1/hosts/h_1?x=1', cookie)).text).toBe('{"name":"owl"}')
    expect((await ask('/api/v1/evil', cookie)).status).toBe(502)
    expect((await ask('/c/c_1', cookie)).headers.location).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/c\/c_1$/)
    for (const path of [
      '/secret.json',
      '/assets/../secret.json',
      '/assets/%2e%2e/secret.json',
      '/index.html',
    ])
      expect((await ask(path, cookie)).status, path).toBe(404)
  })
})
