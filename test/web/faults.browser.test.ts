// A tab on a machine that is not always there, and a tab that lies: a real Chromium on a real server.

import { existsSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { ResultView } from '#protocol/campaign.ts'
import { HostView } from '#protocol/host.ts'
import { type Browser, openBrowser, openGrid, submit } from './browser.ts'
import { tellMachine } from './machine.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI

const campaign = (title: string, fuel: number) => `
title: ${title}
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: ${fuel}, runs: 2, credits: 10 }
baseline: false
recipe: { context: 32, batch: 8, heads: 2, warmup: 10, width: 32, depth: 1 }
space:
  lr: { log: [0.001, 0.01], points: 2 }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const mode = (page: Page, is: string) => page.locator(`[data-mode=${is}]`).waitFor()
const computed = (page: Page, fate: string) => page.locator(`[data-fate=${fate}]`)

/** Keeps the workers that a page starts, from before its first script. */
function keepWorkers(): void {
  const page = Object.assign(window, { workers: [] as Worker[] })
  const Original = Worker
  window.Worker = class extends Original {
    constructor(address: string | URL, options?: WorkerOptions) {
      super(address, options)
      page.workers.push(this)
    }
  }
}

/** What a liar adds to the script that computes: another metric, honestly hashed. */
const LIE = `
;{
  const post = self.postMessage.bind(self)
  self.postMessage = async message => {
    if (message.type !== 'outcome' || message.outcome.report?.metric == null) return post(message)
    const { outcome } = message
    const text = outcome.text.replace(/("metric":\\{"name":"val_bpb","value":)[0-9.]+/, '$13.25')
    const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
    const digest = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
    post({ ...message, outcome: { ...outcome, report: JSON.parse(text), text, digest } })
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

describe.skipIf(missing)('a tab', () => {
  let stage: Awaited<ReturnType<typeof openGrid>>
  const browsers: Browser[] = []
  const anotherBrowser = async (): Promise<Browser> => {
    const browser = await openBrowser()
    browsers.push(browser)
    return browser
  }

  beforeAll(async () => {
    stage = await openGrid()
    await stage.grid.addUser('rosa', 'researcher', 100_000)
  })
  afterAll(async () => {
    for (const browser of browsers) await browser.close()
    await stage?.close()
  })

  test('follows its machine and its person; a worker that is ended goes on from its checkpoint to the same digest', async () => {
    await submit(stage.grid, stage.dir, campaign('Long enough to be disturbed', 30e9))
    const browser = await anotherBrowser()
    await browser.context.addInitScript(keepWorkers)
    const page = await browser.open(`${stage.grid.url}/start`)
    await page.getByRole('radio', { name: /Polite/ }).check()
    await press(page, 'Start')
    await page.locator('[data-result]').waitFor()
    const run = (await page.locator('[data-result]').getAttribute('data-result')) ?? ''

    await tellMachine(page, 'battery', false)
    await page.getByText('runs on battery').waitFor()
    await mode(page, 'paused')
    await tellMachine(page, 'battery', true)
    await mode(page, 'working')
    await tellMachine(page, 'hidden', true) // a desktop goes on
    await tellMachine(page, 'pressure', 'critical')
    await page.getByText('hot or overloaded').waitFor()
    await page.getByRole('radio', { name: /All in/ }).check() // gives way to nothing, and holds at once
    await mode(page, 'working')

    // Each of the four from each other one, as far as a person can tell.
    for (const name of [
      'Pause',
      'Finish',
      'Snooze',
      'Pause',
      'Snooze',
      'Finish',
      'Pause',
      'Run',
      'Snooze',
      'Run',
    ]) {
      await press(page, name)
      await page.locator(`[data-control=${name.toLowerCase()}]`).waitFor()
    }
    await press(page, 'Pause')
    await page.locator('[data-saved]').waitFor()
    const saved = Number(await page.locator('[data-result]').getAttribute('data-saved'))
    await page.evaluate(() => {
      const { workers } = window as unknown as { workers: Worker[] }
      for (const worker of workers) worker.terminate()
    })
    await page.getByRole('alert').filter({ hasText: 'ended its worker' }).waitFor()
    await page.getByText('1 run was begun').or(page.getByText('runs were begun')).waitFor()
    await press(page, 'Start')
    await page.locator(`[data-result="${run}"]`).waitFor()
    await page.locator(`[data-computed="${run}"]`).waitFor()
    const digest = await page.locator(`[data-computed="${run}"]`).getAttribute('data-digest')
    expect(saved).toBeGreaterThanOrEqual(0)
    await page.locator('[data-computed]').nth(1).waitFor()

    stage.verify()
    await computed(page, 'valid').nth(1).waitFor()
    expect((await stage.grid.get(`/api/v1/results/${run}`, ResultView)).digest).toBe(digest)
    await press(page, 'Stop now')
    await page.getByRole('button', { name: 'Start', exact: true }).waitFor()
    expect(browser.complaints).toEqual([])
  })

  test('keeps what it finished without a server, and sends it when the server is back', async () => {
    const browser = await anotherBrowser()
    const page = await browser.open(`${stage.grid.url}/start`)
    await submit(stage.grid, stage.dir, campaign('Without a server', 8e9))
    await press(page, 'Start')
    await page.locator('[data-result]').waitFor()
    await browser.context.setOffline(true)
    await page.locator('[data-unsent]:not([data-unsent="0"])').waitFor()
    await page.close() // what waits is on disk, not in the tab
    await browser.context.setOffline(false)
    const again = await browser.open(`${stage.grid.url}/start`)
    await again.getByText('finished and not sent yet').waitFor()
    await press(again, 'Start')
    await computed(again, 'valid').nth(1).waitFor() // the verifier agrees with both
    await press(again, 'Stop now')
  })

  test('is caught when its own script lies, and earns nothing', async () => {
    const wire = await lyingWire(stage.grid.url)
    const browser = await anotherBrowser()
    const page = await browser.open(`${wire.url}/start`)
    await submit(stage.grid, stage.dir, campaign('Who would lie about this', 3e9))
    await press(page, 'Start')
    await page.locator('[data-computed]').filter({ hasText: '3.25' }).first().waitFor()
    await computed(page, 'invalid').first().waitFor()
    const [hostId = ''] = /h_[0-9a-z]{26}/.exec(await page.locator('main').innerText()) ?? []
    const host = await stage.grid.get(`/api/v1/hosts/${hostId}`, HostView)
    expect(host.results.valid).toBe(0)
    expect(host.grantedMilli).toBe(0)
    await press(page, 'Stop now')
    await page.getByRole('button', { name: 'Start', exact: true }).waitFor()
    wire.close()
  })
})
