// The volunteer in a browser tab, end to end: the real server, the real pages, a real Chromium, a Node volunteer beside it.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import type { Grid } from '#ops/grid.ts'
import { xeenet } from '#ops/process.ts'
import { ResultView } from '#protocol/campaign.ts'
import { Receipt } from '#protocol/credits.ts'
import { HostView } from '#protocol/host.ts'
import { type Browser, openBrowser, openGrid, submit } from './browser.ts'

// Never in CI: there a missing browser is a failure.
const missing = !existsSync(CHROMIUM) && !process.env.CI

const CAMPAIGN = `
title: Three learning rates in a tab
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 8000000000, runs: 3, credits: 10 }
baseline: false
recipe: { context: 32, batch: 8, heads: 2, warmup: 10, width: 32, depth: 1 }
space:
  lr: { log: [0.001, 0.01], points: 3 }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

const Repro = z.looseObject({ identical: z.boolean(), digest: z.string() })

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()
const digestsOn = (page: Page): Promise<(string | null)[]> =>
  page.locator('[data-computed]').evaluateAll(rows => rows.map(row => row.getAttribute('data-digest')))
/** Of a paused page: the run that it shows and how far its checkpoint is; null when it paused between two runs. */
const keptOn = (page: Page) =>
  page
    .waitForFunction(() => {
      const run = document.querySelector('[data-result]')
      const [id, saved] = [run?.getAttribute('data-result'), run?.getAttribute('data-saved')]
      if (id == null) return { kept: null }
      return saved == null ? undefined : { kept: { id, percent: Number(saved) } }
    })
    .then(handle => handle.jsonValue())
    .then(found => found?.kept ?? null)

/** Keeps every percentage that the page shows of each run, and when it first showed which credit, from before its first script. */
function keepShown(): void {
  const page = Object.assign(window, {
    kept: {} as Record<string, number[]>,
    credits: [] as { text: string; at: number }[],
  })
  new MutationObserver(() => {
    const text = document.querySelector('[data-figure=credit]')?.textContent
    if (text != null && text !== page.credits.at(-1)?.text) page.credits.push({ text, at: Date.now() })
    for (const run of document.querySelectorAll('[data-result]')) {
      const id = run.getAttribute('data-result') ?? ''
      page.kept[id] = [...(page.kept[id] ?? []), Number(run.getAttribute('data-percent'))]
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
}

/** Of each grant to what a page shows computed: how long after the verdict its credit was on the page, in ms. One machine, one clock. */
async function creditDelays(grid: Grid, page: Page): Promise<number[]> {
  const ids = await page
    .locator('[data-computed]')
    .evaluateAll(rows => rows.map(row => row.getAttribute('data-computed')))
  const receipts = await Promise.all(ids.map(id => grid.get(`/api/v1/results/${id}/receipt`, Receipt)))
  const grants = receipts.flatMap(({ transfers }) =>
    transfers
      .filter(({ kind }) => kind === 'grant')
      .map(({ at, amountMilli }) => ({ at: Date.parse(at), milli: amountMilli })),
  )
  const shown = await page.evaluate(
    () => (window as unknown as { credits: { text: string; at: number }[] }).credits,
  )
  let due = 0
  return grants
    .sort((a, b) => a.at - b.at)
    .map(({ at, milli }) => {
      due += milli
      const first = shown.find(({ text }) => Number(text.replaceAll(',', '')) * 1000 >= due - 1e-6)
      return first === undefined ? Number.POSITIVE_INFINITY : first.at - at
    })
}

describe.skipIf(missing)('a browser tab', () => {
  let stage: Awaited<ReturnType<typeof openGrid>>
  let browser: Browser

  beforeAll(async () => {
    stage = await openGrid()
    await stage.grid.addUser('rosa', 'researcher', 100_000)
    await submit(stage.grid, stage.dir, CAMPAIGN)
    browser = await openBrowser()
    await browser.context.addInitScript(keepShown)
  })
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  test('one press computes; two tabs are one volunteer; a closed tab goes on from its checkpoint; a Node volunteer agrees; credit shows', async () => {
    const { grid } = stage
    const first = await browser.open(`${grid.url}/start`)
    await first.getByRole('button', { name: 'Start', exact: true }).waitFor()
    expect((await first.evaluate(() => navigator.locks.query())).held).toEqual([]) // nothing starts by itself
    expect(await first.evaluate(() => crossOriginIsolated)).toBe(true)
    await press(first, 'Start')

    // A second tab shows the same volunteer and steers it.
    const second = await browser.open(`${grid.url}/start`)
    await second.getByText('It runs in another tab').waitFor()
    let paused: Awaited<ReturnType<typeof keptOn>> = null
    while (paused === null) {
      await second.locator('[data-result]').waitFor()
      await press(second, 'Pause')
      await second.locator('[data-mode=paused]').waitFor()
      paused = await keptOn(second)
      if (paused === null) await press(second, 'Run')
    }
    await first.close() // with its workers, without a word
    await second.evaluate(() => Object.assign(window, { kept: {} }))

    // The second tab notices, and takes over as the same host.
    await press(second, 'Start')
    await second.locator(`[data-computed="${paused.id}"]`).waitFor()
    const seen = await second.evaluate(
      id => (window as unknown as { kept: Record<string, number[]> }).kept[id] ?? [],
      paused.id,
    )
    const from = paused.percent
    expect(seen.filter(percent => percent > 0 && percent < from)).toEqual([])
    await second.locator('[data-computed]').nth(2).waitFor()

    const [hostId = ''] = /h_[0-9a-z]{26}/.exec(await second.locator('main').innerText()) ?? []
    stage.verify()
    // The second opinion is the verifier's, an ordinary client on Node; a third is this machine's.
    await second.locator('[data-figure=valid]', { hasText: '3' }).waitFor()
    const digests = await digestsOn(second)
    expect(digests).toHaveLength(3)
    const published = await grid.get(`/api/v1/results/${paused.id}`, ResultView)
    expect(digests).toContain(published.digest)
    const places = ['--server', grid.url, '--cache-dir', join(stage.dir, 'cache')]
    const repro = await xeenet(['repro', paused.id, ...places], Repro)
    expect(repro).toMatchObject({ identical: true, digest: published.digest })

    const after = await grid.get(`/api/v1/hosts/${hostId}`, HostView)
    expect(after.grantedMilli).toBeGreaterThan(0)
    const credit = (after.grantedMilli / 1000).toLocaleString('en', {
      minimumFractionDigits: 1,
      maximumFractionDigits: 3,
    })
    await second.locator('[data-figure=credit]', { hasText: credit }).waitFor()
    const late = await creditDelays(grid, second)
    expect(late).toHaveLength(3)
    console.info(`credit on the page ${late.map(ms => Math.round(ms)).join(', ')} ms after its verdict`)
    // Each grant after its verdict and by itself; how soon is told, since a busy machine is no failure.
    for (const ms of late) expect(ms).toBeGreaterThanOrEqual(0)
    expect(late.every(Number.isFinite)).toBe(true)

    // What was earned without an account moves to the one that is made now, when somebody logs in to it.
    const third = await browser.open(`${grid.url}/signup?next=/start`)
    await third.getByLabel('Name').fill('Ada')
    await third.getByLabel('Password').fill('correct horse battery')
    await press(third, 'Make the account')
    await third.getByRole('button', { name: 'Save to Ada' }).waitFor() // not now: after a login, as well
    await press(third, 'Log out')
    await third.getByText('Save this to an account').click()
    await third.locator('details').getByRole('link', { name: 'Log in' }).click()
    await third.getByLabel('Name').fill('Ada')
    await third.getByLabel('Password').fill('correct horse battery')
    await third.locator('main').getByRole('button', { name: 'Log in' }).click()
    await press(third, 'Save to Ada')
    await third.locator('[data-claimed]', { hasText: credit }).waitFor()
    await third.goto(`${grid.url}/me`)
    await third.locator(`[data-host=${hostId}]`).waitFor()
    await third.locator('[data-figure=credit]', { hasText: credit }).waitFor()
    await third.close()

    await press(second, 'Stop now')
    await second.getByRole('button', { name: 'Start', exact: true }).waitFor()
    expect(browser.complaints).toEqual([])
  })

  test('a start that comes to nothing says why, and the button is back', async () => {
    const page = await browser.open(`${stage.grid.url}/start`)
    const start = page.getByRole('button', { name: 'Start', exact: true })
    await page.route('**/agent-worker*', route => route.abort())
    await start.click()
    await page.getByRole('alert').filter({ hasText: 'could not be loaded' }).waitFor()
    await page.locator('button.primary.big:enabled').waitFor()
    await page.close()
  })
})
