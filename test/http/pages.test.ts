// The web app as the server serves it: a built app of two files, and what browsers are told about it.

import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addPages, missingPage, openPages } from '#http/pages.ts'
import { listen } from '#server/listen.ts'

const INDEX =
  '<!doctype html><head><title>XeeNet</title><script type="module" src="/assets/main-abc.js"></script></head>'
// As Vite writes it: a page, a view of it, and what they share with each other and with the app.
const MANIFEST = {
  'index.html': { file: 'assets/main-abc.js', imports: ['_shared.js'], isEntry: true },
  '_shared.js': { file: 'assets/shared.js', css: ['assets/shared.css'] },
  'pages/campaign.tsx': { file: 'assets/campaign.js', imports: ['_shared.js', 'index.html'] },
  'pages/campaign-runs.tsx': {
    file: 'assets/campaign-runs.js',
    imports: ['pages/campaign.tsx', '_table.js'],
  },
  '_table.js': { file: 'assets/table.js', css: ['assets/table.css'], imports: ['_table.js'] },
  'pages/host.tsx': { file: 'assets/host.js' },
}
const END = '7-999999999999999999'
const SCRIPT = 'export const answer = 42 // a script long enough to be worth compressing'
const ENGINE = Buffer.alloc(100_000, 'wasm')

let url: string
let bare: string
let end: string | undefined
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xeenet-pages-'))
  await mkdir(join(directory, 'assets'))
  await writeFile(join(directory, 'index.html'), INDEX)
  await mkdir(join(directory, '.vite'))
  await writeFile(join(directory, '.vite', 'manifest.json'), JSON.stringify(MANIFEST))
  await writeFile(join(directory, 'assets', 'main-abc.js'), SCRIPT)
  await writeFile(join(directory, 'assets', 'main-abc.js.br'), brotliCompressSync(SCRIPT))
  await writeFile(join(directory, 'assets', 'main-abc.js.gz'), gzipSync(SCRIPT))
  await writeFile(join(directory, 'assets', 'secret.txt'), 'not one of the kinds that are served')
  await writeFile(join(directory, 'assets', 'engine-1.wasm'), ENGINE)
  await writeFile(join(directory, 'assets', 'engine-1.wasm.gz'), gzipSync(ENGINE))
  url = await serve(directory)
  bare = await serve(join(directory, 'none'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
})
afterAll(async () => {
  for (const close of closers) await close()
})

/** Of an address that is no URL, which `fetch` would not send. */
async function statusOf(path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url)
  const asked = get({ hostname, port, path, headers: { accept: 'text/html' } })
  const [answer] = await once(asked, 'response')
  answer.resume()
  return answer.statusCode
}

async function serve(directory: string): Promise<string> {
  const pages = await openPages(directory)
  const app = express()
  addPages(app, pages, async () => end)
  app.use(missingPage(pages))
  app.use((_req, res) => void res.status(404).json({ code: 'not_found' }))
  const listening = await listen(app, { host: '127.0.0.1', port: 0 })
  closers.push(() => listening.close(0))
  return listening.url
}

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

describe('pages', () => {
  test.each(['/', '/c', '/c/c_01h0000000000000000000000'])(
    '%s is the app, alone in its process',
    async path => {
      const reply = await fetch(url + path, { headers: HTML })
      expect(reply.status).toBe(200)
      expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8')
      expect((await reply.text()).replace(/<link .*(?=<\/head>)/, '')).toBe(INDEX)
      const policy = reply.headers.get('content-security-policy')
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toContain('unsafe')
      expect(reply.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(reply.headers.get('cross-origin-embedder-policy')).toBe('require-corp')
      expect(reply.headers.get('cache-control')).toBe('no-cache')
    },
  )

  const [c, e] = [`c_${'0'.repeat(26)}`, `e_${'0'.repeat(26)}`]
  test.each([
    ['/', []],
    [`/h/h_${'0'.repeat(26)}`, ['host.js']],
    [`/e/${e}`, [`/experiments/${e}`]],
    [`/c/${c}`, [`/campaigns/${c}`, `/campaigns/${c}/analysis?part=best-so-far,importance`, 'campaign.js']],
    [
      `/c/${c}?q=lr%3E1&tab=runs`,
      [
        ...[`/campaigns/${c}`, `/campaigns/${c}/leaderboard?limit=100`],
        ...['campaign.js', 'campaign-runs.js', 'table.js', 'table.css'],
      ],
    ],
    [`/c/${c}?tab=../../x`, [`/campaigns/${c}`, 'campaign.js']],
    [`/c/${c}?tab=constructor`, [`/campaigns/${c}`, 'campaign.js']],
    ['/c/"><script>alert(1)<', ['campaign.js']],
    ['/c/%22%3E', ['campaign.js']],
  ])('the document at %s names what is fetched first, and nothing twice', async (path, named) => {
    const html = await (await fetch(url + path, { headers: HTML })).text()
    const links = [...html.matchAll(/<link [^>]*href="(?:\/api\/v1|\/assets\/)([^"]*)">/g)]
    expect(links.map(([, href]) => href)).toEqual(named)
    expect(html).not.toContain('alert')
  })

  test('the document says from which event on its stream tells everything, if that is known', async () => {
    end = END
    expect(await (await fetch(url, { headers: HTML })).text()).toContain(
      `<meta name="stream-after" content="${END}">`,
    )
    end = undefined
    expect(await (await fetch(url, { headers: HTML })).text()).toBe(INDEX)
  })

  test('an unknown address is the app for a person, under 404, and JSON for a program', async () => {
    const person = await fetch(`${url}/nonsense`, { headers: HTML })
    expect([person.status, await person.text()]).toEqual([404, INDEX])
    const odd = await statusOf('//[')
    expect(odd).toBe(404)
    const program = await fetch(`${url}/nonsense`, { headers: { accept: '*/*' } })
    expect([program.status, await program.json()]).toEqual([404, { code: 'not_found' }])
    const api = await fetch(`${url}/api/v1/nonsense`, { headers: HTML })
    expect(await api.json()).toEqual({ code: 'not_found' })
  })

  test.each(['br', 'gzip', 'identity'])('an asset is kept for ever and sent as %s', async encoding => {
    const reply = await fetch(`${url}/assets/main-abc.js`, { headers: { 'accept-encoding': encoding } })
    expect(await reply.text()).toBe(SCRIPT)
    expect(reply.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding)
    expect(reply.headers.get('cache-control')).toContain('immutable')
    expect(reply.headers.get('vary')).toContain('accept-encoding')
    expect(reply.headers.get('content-type')).toContain('text/javascript')
  })

  test.each(['gzip', 'identity'])('a large file comes from disk, whole, as %s', async encoding => {
    const reply = await fetch(`${url}/assets/engine-1.wasm`, { headers: { 'accept-encoding': encoding } })
    expect(Buffer.from(await reply.arrayBuffer())).toEqual(ENGINE)
    expect(reply.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding)
    expect(reply.headers.get('cache-control')).toContain('immutable')
    expect(reply.headers.get('content-type')).toContain('application/wasm')
    expect((await fetch(`${url}/assets/engine-1.wasm`, { method: 'HEAD' })).status).toBe(200)
  })

  test.each(['secret.txt', 'gone-abc.js', '..%2findex.html'])('no asset: %s', async name => {
    expect((await fetch(`${url}/assets/${name}`)).status).toBe(404)
  })

  test('without a built app a person is told how to build it', async () => {
    const reply = await fetch(bare, { headers: HTML })
    expect(reply.status).toBe(503)
    expect(await reply.text()).toContain('npm run build')
  })
})
