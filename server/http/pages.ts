import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import type { Express, Request, RequestHandler, Response } from 'express'
import type { EventCursor } from '#protocol/events.ts'
import { PAGE_PATHS } from '#protocol/pages.ts'
import { documentFor, Manifest } from './document.ts'

/** One built file, as it is and as it was compressed at build time; a large one stays on disk, by its path. */
interface Asset {
  readonly type: string
  readonly plain: Buffer | string
  readonly br: Buffer | undefined
  readonly gzip: Buffer | string | undefined
}

/** The built web app. */
export interface Pages {
  readonly index: string
  readonly manifest: Manifest
  /** The other files, by path. */
  readonly assets: ReadonlyMap<string, Asset>
}

const HTML = 'text/html; charset=utf-8'
const TYPES: Readonly<Record<string, string>> = {
  '.html': HTML,
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
}

/** Tens of megabytes that few tabs ever ask for. */
const isLarge = (file: string): boolean => /\.wasm(\.gz)?$/.test(file)

/** Reads the app into memory, less than two megabytes; undefined when it was not built. */
export async function openPages(directory: string): Promise<Pages | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const bytes = new Map(
    await Promise.all(
      files.map(
        async file =>
          [
            relative(directory, file).replaceAll('\\', '/'),
            isLarge(file) ? file : await readFile(file),
          ] as const,
      ),
    ),
  )
  const assets = new Map<string, Asset>()
  for (const [path, plain] of bytes) {
    const type = TYPES[extname(path)]
    if (type === undefined) continue
    const br = bytes.get(`${path}.br`)
    const gzip = bytes.get(`${path}.gz`)
    assets.set(path, { type, plain, br: typeof br === 'string' ? undefined : br, gzip })
  }
  const [index, manifest] = [bytes.get('index.html'), bytes.get('.vite/manifest.json')]
  if (index === undefined) return undefined
  const made = manifest === undefined ? {} : JSON.parse(String(manifest))
  return { index: String(index), manifest: Manifest.parse(made), assets }
}

// Everything is the server's own and nothing is inline. Kernels are compiled in workers, whose policy is that of their script.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')
const WORKER_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "worker-src 'self'",
].join('; ')

const DAY_S = 86_400

/** Where the order of events is now; undefined when that cannot be told. */
type End = () => Promise<EventCursor | undefined>

/** Adds the pages, their assets, and what a browser asks for by itself. */
export function addPages(app: Express, pages: Pages | undefined, end: End): void {
  app.get(Object.values(PAGE_PATHS), async (req, res) =>
    showPage(pages, req, res, { status: 200, after: await end() }),
  )
  app.get('/assets/:name', (req, res, next) => {
    const asset = pages?.assets.get(`assets/${req.params.name}`)
    if (asset === undefined) return next()
    isolate(res, WORKER_POLICY)
    res.setHeader('cache-control', 'public, max-age=31536000, immutable')
    send(req, res, asset)
  })
  app.get(['/favicon.svg', '/favicon.ico'], (req, res, next) => {
    const asset = pages?.assets.get('favicon.svg')
    if (asset === undefined) return next()
    res.setHeader('cache-control', `public, max-age=${DAY_S}`)
    send(req, res, asset)
  })
}

/** An unknown address that a person opened: the app says so, under the right status. */
export const missingPage =
  (pages: Pages | undefined): RequestHandler =>
  (req, res, next) => {
    const forPeople = req.method === 'GET' && !req.path.startsWith('/api/') && prefersHtml(req)
    if (!forPeople || pages === undefined) return next()
    showPage(pages, req, res, { status: 404, after: undefined })
  }

const prefersHtml = (req: Request): boolean => req.accepts(['application/json', 'text/html']) === 'text/html'

const NO_HOST = 'http://localhost'

interface Shown {
  readonly status: number
  readonly after: EventCursor | undefined
}

function showPage(pages: Pages | undefined, req: Request, res: Response, { status, after }: Shown): void {
  isolate(res, POLICY)
  res.setHeader('cache-control', 'no-cache')
  if (pages === undefined)
    return void res.status(503).type('text/plain').send('The pages are not built yet: npm run build\n')
  // Two kilobytes, which fit in what a connection sends first: nothing is gained by compressing them for each reader.
  const address = URL.parse(req.originalUrl, NO_HOST) ?? new URL(NO_HOST) // whoever asks for //[ asks for nothing that is known
  res.status(status).setHeader('content-type', HTML)
  res.end(documentFor(pages.index, pages.manifest, { address, after }))
}

/** With both, a page may use what browsers keep from pages that share a process with others. */
function isolate(res: Response, policy: string): void {
  res.setHeader('content-security-policy', policy)
  res.setHeader('cross-origin-opener-policy', 'same-origin')
  res.setHeader('cross-origin-embedder-policy', 'require-corp')
}

function send(req: Request, res: Response, asset: Asset): void {
  res.setHeader('content-type', asset.type)
  res.vary('accept-encoding')
  const encoding = req.acceptsEncodings(['br', 'gzip', 'identity'])
  if (encoding === 'br' && asset.br !== undefined)
    return void res.setHeader('content-encoding', 'br').end(asset.br)
  if (encoding !== 'identity' && asset.gzip !== undefined && req.acceptsEncodings('gzip'))
    return void answer(res.setHeader('content-encoding', 'gzip'), asset.gzip)
  answer(res, asset.plain)
}

function answer(res: Response, content: Buffer | string): void {
  if (typeof content !== 'string') return void res.end(content)
  // A client that hangs up is no error of ours, and the headers are gone: nothing is left to say.
  res.sendFile(content, { cacheControl: false, dotfiles: 'allow' }, error => error && res.destroy())
}
