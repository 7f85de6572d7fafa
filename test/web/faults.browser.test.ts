// A tab on a machine that is not always there: a real Chromium on a real server.

import { existsSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { ResultView } from '#protocol/campaign.ts'
import { type Browser, openBrowser, openGrid, submit, twoRuns } from './browser.ts'
import { tellMachine } from './machine.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI

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
    await submit(stage.grid, stage.dir, twoRuns('Long enough to be disturbed', 150e9))
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
    await page.getByRole('radio', { name: /All in/ }).click() // gives way to nothing, and holds at once
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
    await submit(stage.grid, stage.dir, twoRuns('Without a server', 8e9))
    await press(page, 'Start')
    await page.locator('[data-result]').waitFor()
    await browser.context.setOffline(true)
    await page.locator('[data-unsent]:not([data-unsent="0"])').waitFor()
    await page.close() // what waits is on disk, not in the tab
    await browser.context.setOffline(false)
    const again = await browser.open(`${stage.grid.url}/start`)
    await again.getByText('finished and not sent yet').waitFor()
    await press(again, 'Start')
    stage.verify()
    await computed(again, 'valid').first().waitFor() // others may go to the verifier before the tab asks
    await press(again, 'Stop now')
  })
})
