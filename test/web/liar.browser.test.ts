// A tab that lies: a real Chromium on a real server, whose script that computes is another one on the wire.

import { existsSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { HostView } from '#protocol/host.ts'
import { type Browser, openBrowser, openGrid, submit, twoRuns } from './browser.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI

const FUEL = 3_000_000_000
const LIE_BPB = 3.25

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()

/** What a liar adds to the script that computes: another metric for the campaign's runs, in a report that agrees with itself; the kernel's self-test is left as it is. */
const LIE = `
;{
  let asked = false
  self.addEventListener('message', ({ data }) => {
    if (data.task !== undefined) asked = data.task.job.includes('${FUEL}')
  })
  const post = self.postMessage.bind(self)
  self.postMessage = async message => {
    if (message.type !== 'outcome' || !asked || message.outcome.report?.metric == null) return post(message)
    const { outcome } = message
    const report = JSON.parse(outcome.text) // canonical: what is written again in this order is canonical, too
    const factor = ${LIE_BPB} / report.metric.value
    report.metric.value = ${LIE_BPB}
    for (const point of report.curve) if (point.val !== null) point.val *= factor
    report.curve.findLast(point => point.val !== null).val = ${LIE_BPB}
    const text = JSON.stringify(report)
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
    const digest = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
    post({ ...message, outcome: { ...outcome, report, text, digest } })
  }
}`

/** The server as a liar's tab sees it: its script that computes is another one on the wire, all else goes through as it is. */
async function lyingWire(origin: string): Promise<{ url: string; close(): void }> {
  const { hostname, port } = new URL(origin)
  const wire = createServer((req, res) => {
    const headers = { ...req.headers, 'accept-encoding': 'identity' }
    const asked = request({ hostname, port, path: req.url, method: req.method, headers }, answered => {
      const lies = /\/run-worker[^/]*\.js$/.test(req.url ?? '')
      const { 'content-length': _, ...kept } = answered.headers
      res.writeHead(answered.statusCode ?? 502, kept)
      answered.pipe(res, { end: !lies })
      if (lies) answered.on('end', () => res.end(LIE))
    })
    asked.on('error', () => res.destroy())
    req.pipe(asked)
  })
  await new Promise<void>(done => wire.listen(0, '127.0.0.1', done))
  const address = wire.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      wire.close()
      wire.closeAllConnections()
    },
  }
}

let stage: Awaited<ReturnType<typeof openGrid>> | undefined
let browser: Browser | undefined

beforeAll(async () => {
  if (missing) return
  stage = await openGrid()
  await stage.grid.addUser('rosa', 'researcher', 100_000)
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await stage?.close()
})

test.skipIf(missing)('a tab whose own script lies is caught, and earns nothing', async () => {
  if (stage === undefined || browser === undefined) throw new Error('nothing was set up')
  const wire = await lyingWire(stage.grid.url)
  const page = await browser.open(`${wire.url}/start`)
  await submit(stage.grid, stage.dir, twoRuns('Who would lie about this', FUEL))
  await press(page, 'Start')
  await page
    .locator('[data-computed]')
    .filter({ hasText: String(LIE_BPB) })
    .first()
    .waitFor()
  stage.verify()
  await page.locator('[data-fate=invalid]').first().waitFor()
  const [hostId = ''] = /h_[0-9a-z]{26}/.exec(await page.locator('main').innerText()) ?? []
  const host = await stage.grid.get(`/api/v1/hosts/${hostId}`, HostView)
  expect(host.results.valid).toBe(0)
  expect(host.grantedMilli).toBe(0)
  await press(page, 'Stop now')
  await page.getByRole('button', { name: 'Start', exact: true }).waitFor()
  wire.close()
})
