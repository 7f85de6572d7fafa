// A tab that computes natively: the real pages under their real content policy, and a server that answers by script.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import express from 'express'
import { afterEach, describe, expect, test } from 'vitest'
import { loadRuntime } from '#client/node/native/runtime.ts'
import { runNatively } from '#client/onnx/run.ts'
import { addPages, openPages } from '#http/pages.ts'
import { CHROMIUM, FLAGS } from '#ops/exact/chromium.ts'
import { sha256Text } from '#protocol/canonical.ts'
import type { NativeClass } from '#protocol/engine.ts'
import { RunReport } from '#protocol/report.ts'
import { HostReport, type Lease } from '#protocol/scheduler.ts'
import { freely } from '#runtime/self-test.ts'
import { listen } from '#server/listen.ts'
import { charlm, lend, orderOf } from '../client/onnx/orders.ts'
import { type Peer, startPeer } from '../client/peer.ts'
import { aReply } from '../client/replies.ts'
import { openBrowser } from './browser.ts'

const PAGES = join(import.meta.dirname, '..', '..', 'build', 'web')
const WEBGPU_FLAGS = [
  ...FLAGS.filter(flag => flag !== '--disable-gpu'),
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
]
// Never in CI: there a missing browser, or a missing package, is a failure.
const missing = (!existsSync(CHROMIUM) || (await loadRuntime('wasm')) === undefined) && !process.env.CI

// A graphics card in software makes an update or two a second.
const SHORT = { updates: 12 }

const closers: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** The pages, and behind `/api` the peer; `fetched` are the files of ONNX Runtime that were asked for. */
async function serve(peer: Peer): Promise<{ url: string; fetched: string[] }> {
  const fetched: string[] = []
  const app = express()
  app.use((req, _res, next) => {
    if (req.method === 'GET' && req.path.includes('/ort-')) fetched.push(req.path)
    next()
  })
  app.use('/api', async (req, res) => {
    const parts: Buffer[] = []
    for await (const part of req) parts.push(part)
    const { host: _, 'content-length': __, connection: ___, ...headers } = req.headers
    const body = parts.length === 0 ? {} : { body: Buffer.concat(parts) }
    const reply = await fetch(peer.url + req.originalUrl, {
      ...{ method: req.method, headers: headers as Record<string, string>, ...body },
    })
    res.status(reply.status).type(reply.headers.get('content-type') ?? 'text/plain')
    res.send(Buffer.from(await reply.arrayBuffer()))
  })
  addPages(app, await openPages(PAGES), async () => undefined)
  const server = await listen(app, { host: '127.0.0.1', port: 0 })
  closers.push(() => server.close(0))
  return { url: server.url, fetched }
}

interface Computed {
  readonly report: Extract<HostReport, { outcome: 'success' }>
  readonly offered: readonly string[]
  readonly rates: Readonly<Record<string, number>>
  readonly early: readonly string[]
}

/** Volunteers in a tab until it has computed one native run. */
async function computeInTab(engineClass: NativeClass, flags: readonly string[]): Promise<Computed> {
  const done = Promise.withResolvers<HostReport>()
  const leases: Lease[] = []
  const peer = await startPeer(body => {
    const reports = body.reports.map(report => HostReport.parse(report))
    for (const report of reports) done.resolve(report)
    const answers = reports.map(({ resultId }) => ({ resultId, outcome: 'accepted' as const }))
    return aReply({ leases: body.want > 0 ? leases.splice(0) : [], reports: answers, retryAfterMs: 100 })
  })
  closers.push(() => peer.close())
  const { url, fetched } = await serve(peer)
  const browser = await openBrowser(flags)
  closers.push(() => browser.close())
  const page = await browser.open(`${url}/start`)
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  while (peer.seen.length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  const early = [...fetched]
  leases.push(await lend(peer, await orderOf({ engineClass }, SHORT)))
  const report = await done.promise
  if (report.outcome !== 'success') throw new Error(JSON.stringify(report))
  const last = peer.seen.at(-1)?.body
  return { report, early, offered: last?.engineClasses ?? [], rates: { ...last?.engineRates } }
}

/** The same run in this process. */
async function here(engineClass: 'onnx-wasm' | 'onnx-cpu') {
  const runtime = await loadRuntime(engineClass === 'onnx-wasm' ? 'wasm' : 'cpu')
  if (runtime === undefined) throw new Error('no ONNX Runtime')
  const { module, manifest } = await charlm()
  const run = { ...(await orderOf({ engineClass }, SHORT)), module, manifest }
  const outcome = await runNatively(
    run,
    runtime,
    freely(() => performance.now()),
  )
  if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
  return outcome
}

describe.skipIf(missing)('a tab that computes natively', () => {
  test('without a device: the digest on WebAssembly is that of Node, and nothing was fetched before the lease', async () => {
    const { report, offered, rates, early } = await computeInTab('onnx-wasm', FLAGS)
    const node = await here('onnx-wasm')
    expect(report.report).toBe(node.text)
    expect(report.digest).toBe(node.digest)
    expect(await sha256Text(report.report)).toBe(node.digest)
    expect(offered).toEqual(['onnx-wasm', 'wasm'])
    expect(rates['onnx-wasm']).toBeGreaterThan(1e7)
    expect(early).toEqual([])
  })

  test('with a device: a run on WebGPU, near to that of the processor', async () => {
    const { report, offered, rates } = await computeInTab('onnx-webgpu', WEBGPU_FLAGS)
    const { engine, status, metric, curve } = RunReport.parse(JSON.parse(report.report))
    expect({ engine, status }).toEqual({ engine: 'onnx-webgpu', status: 'ok' })
    const { report: cpu } = await here('onnx-cpu')
    expect(Math.abs((metric?.value ?? 0) - (cpu.metric?.value ?? 9))).toBeLessThan(2e-3)
    expect(curve.map(({ update }) => update)).toEqual(cpu.curve.map(({ update }) => update))
    expect(offered).toEqual(['onnx-webgpu', 'wasm'])
    expect(rates['onnx-webgpu']).toBeGreaterThan(0)
  })
})
