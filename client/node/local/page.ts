// The Start page of this machine, on loopback: static files, the running client's socket, and reads of its server passed on.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { z } from 'zod'
import { LocalSettings } from './messages.ts'

/** What the page shows and steers. */
export interface PageSeat {
  /** JSON for the page. */
  status(): Promise<object>
  /** A command for the running client, as it came. */
  command(body: string): Promise<object>
  start(wish: StartWish): Promise<object>
  /** Of what is shown. */
  server(): string
}

export const StartWish = z.object({
  settings: LocalSettings,
  server: z.url({ protocol: /^https?$/, error: 'expected an http(s) address' }),
})
export type StartWish = z.infer<typeof StartWish>

export interface LocalPage {
  /** Opens the page once: it carries a code that is spent by the first visit. */
  readonly url: string
  close(): Promise<void>
}

const BODY_BYTES_MAX = 4096
const PASSED_BYTES_MAX = 4 * 1024 * 1024
const PASSED_MS = 30_000

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

interface Secrets {
  code: string | undefined
  readonly cookie: string
}

/**
 * Serves the page on a free port of loopback. Other programs of this machine, and pages of other sites in the same browser, can
 * reach that port: only who opened the address with its code has the cookie, only our own name is answered (a name of a stranger's
 * that leads here is DNS rebinding), and no other origin.
 * @param directory of the built pages
 */
export async function servePage(directory: string, seat: PageSeat): Promise<LocalPage> {
  const secrets: Secrets = { code: secret(), cookie: secret() }
  const server = createServer((req, res) => {
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    answer({ req, res, directory, seat, secrets, port }).catch((error: unknown) => {
      if (res.headersSent) res.destroy()
      else json(res, 500, { error: error instanceof Error ? error.message : String(error) })
    })
  })
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/?code=${secrets.code}`,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

const secret = (): string => randomBytes(32).toString('base64url')

interface Visit {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly directory: string
  readonly seat: PageSeat
  readonly secrets: Secrets
  readonly port: number
}

async function answer(visit: Visit): Promise<void> {
  const { req, res, directory, seat, secrets, port } = visit
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value)
  const stranger = strangeness(req, port)
  if (stranger !== undefined) return json(res, 403, { error: stranger })
  const url = new URL(req.url ?? '/', `http://127.0.0.1:${port}`)
  const name = `xeenet-local-${port}`
  const code = url.searchParams.get('code')
  if (req.method === 'GET' && url.pathname === '/' && code !== null && same(code, secrets.code)) {
    secrets.code = undefined
    const cookie = `${name}=${secrets.cookie}; HttpOnly; SameSite=Strict; Path=/`
    res.writeHead(303, { location: '/', 'set-cookie': cookie }).end()
    return
  }
  if (!same(cookieOf(req, name), secrets.cookie))
    return json(res, 401, { error: 'Open this page with `xeenet open`: its address is good once.' })
  if (req.method === 'GET') return read(visit, url)
  if (req.method !== 'POST') return json(res, 405, { error: 'GET or POST' })
  const body = await bodyOf(req)
  if (body === undefined) return json(res, 413, { error: 'that is more than was asked for' })
  if (url.pathname === '/local/command') return json(res, 200, await seat.command(body))
  if (url.pathname !== '/local/start') return json(res, 404, { error: `nothing at ${url.pathname}` })
  const wish = StartWish.safeParse(parsed(body))
  if (!wish.success) return json(res, 400, { error: wish.error.issues.map(i => i.message).join('; ') })
  return json(res, 200, await seat.start(wish.data))

  async function read({ res: out }: Visit, { pathname, search }: URL): Promise<void> {
    if (pathname === '/local/status') return json(out, 200, await seat.status())
    if (pathname.startsWith('/api/v1/')) return passOn(out, `${seat.server()}${pathname}${search}`)
    if (pathname === '/server') return void out.writeHead(302, { location: `${seat.server()}/` }).end()
    if (/^\/[ceh]\/[\w]+$/.test(pathname))
      return void out.writeHead(302, { location: `${seat.server()}${pathname}` }).end()
    return sendFile(out, directory, pathname === '/' ? 'local.html' : pathname.slice(1))
  }
}

/** Why a request is not of our own page, or undefined. */
function strangeness(req: IncomingMessage, port: number): string | undefined {
  const own = `127.0.0.1:${port}`
  if (req.headers.host !== own) return 'This machine is asked for by a name that is not its own.'
  if (req.headers.origin !== undefined && req.headers.origin !== `http://${own}`)
    return 'A page of another origin asks.'
  const site = req.headers['sec-fetch-site']
  // `none`: the address was opened by a person or a program. `cross-site` may still be a link that leads here; it has no cookie.
  if (req.method !== 'GET' && site !== undefined && site !== 'same-origin') return 'Another site asks.'
  return undefined
}

function same(given: string | null | undefined, known: string | undefined): boolean {
  if (given == null || known === undefined) return false
  const [a, b] = [Buffer.from(given), Buffer.from(known)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  const pairs = (req.headers.cookie ?? '').split(/;\s*/).map(pair => pair.split('='))
  return pairs.find(([key]) => key === name)?.[1]
}

async function bodyOf(req: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req) {
    size += chunk.length
    if (size > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A read of the server, without any right of ours. */
async function passOn(res: ServerResponse, address: string): Promise<void> {
  const answered = await fetch(address, { signal: AbortSignal.timeout(PASSED_MS) }).catch(() => undefined)
  if (answered === undefined) return json(res, 502, { error: 'the server does not answer' })
  const bytes = new Uint8Array(await answered.arrayBuffer())
  if (bytes.length > PASSED_BYTES_MAX)
    return json(res, 502, { error: 'the server said more than the page can use' })
  const type = answered.headers.get('content-type') ?? ''
  // What is passed on has our origin: as anything but data it could act in our name.
  if (!/^application\/(problem\+)?json\b/.test(type))
    return json(res, 502, { error: 'the server sent no JSON' })
  res.writeHead(answered.status, { 'content-type': type }).end(bytes)
}

async function sendFile(res: ServerResponse, directory: string, name: string): Promise<void> {
  const type = TYPES[extname(name)]
  const known = /^(local\.html|favicon\.svg|assets\/[\w.-]+)$/.test(name) && type !== undefined
  const bytes = known ? await readFile(join(directory, name)).catch(() => undefined) : undefined
  if (bytes === undefined) return json(res, 404, { error: `nothing at /${name}` })
  res.writeHead(200, { 'content-type': type }).end(bytes)
}

function json(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
