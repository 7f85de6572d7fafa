import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { chromium } from 'playwright-core'
import { build } from 'vite'
import type { How } from './digest.ts'

/** Debian's. */
export const CHROMIUM = '/usr/bin/chromium'

export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A browser with the sandbox driver in a web worker. */
export interface Chromium {
  readonly version: string
  /** The worker's own words; an error is `{error}`. */
  run(release: string, how: How): Promise<unknown>
  close(): Promise<void>
}

/** Starts a browser with a fresh profile, V8's `flags`, and a page served from loopback. */
export async function openChromium(flags: readonly string[]): Promise<Chromium> {
  const releases = new Map<string, string>()
  const server = await serve(await bundled(), releases)
  const profile = await mkdtemp(join(tmpdir(), 'xeenet-chromium-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: [...FLAGS, ...(flags.length === 0 ? [] : [`--js-flags=${flags.join(' ')}`])],
  })
  const page = await context.newPage()
  await page.goto(server.url)
  return {
    version: context.browser()?.version() ?? 'unknown',
    run: (release, how) => {
      releases.set(basename(release), release)
      const query = new URLSearchParams({ release: `/releases/${basename(release)}`, how })
      return page.evaluate(inWorker, `/worker.js?${query}`)
    },
    close: async () => {
      await context.close()
      server.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}

/** Runs in the page. */
function inWorker(address: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(address, { type: 'module' })
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = event => reject(new Error(event.message))
  })
}

/** The worker as one file: what the client's runtime needs, and nothing of Node. */
async function bundled(): Promise<string> {
  const output = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, 'browser-worker.ts'), formats: ['es'], fileName: 'worker' },
    },
  })
  const [bundle] = Array.isArray(output) ? output : [output]
  if (bundle === undefined || !('output' in bundle)) throw new Error('vite made no bundle')
  return bundle.output[0].code
}

async function serve(worker: string, releases: ReadonlyMap<string, string>) {
  const server = createServer(async (req, res) => {
    const path = new URL(req.url ?? '/', 'http://localhost').pathname
    const release = releases.get(path.replace('/releases/', ''))
    if (path === '/') res.setHeader('content-type', 'text/html').end('<!doctype html><title>engines</title>')
    else if (path === '/worker.js') res.setHeader('content-type', 'text/javascript').end(worker)
    else if (release !== undefined) res.end(await readFile(release))
    else res.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/`, close: () => server.close() }
}
