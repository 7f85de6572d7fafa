// Every page in a real Chromium on a real server, with names that are markup: shown as text, and usable by everybody.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { hostIdOf } from '#ops/grid.ts'
import { launch, XEENET } from '#ops/process.ts'
import { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { type Browser, openBrowser, openGrid, submit } from './browser.ts'
import { faults, HOSTILE, LOOKS, settled } from './looks.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI

const CAMPAIGN = `
title: '${HOSTILE}'
question: '${HOSTILE} ${'unbroken'.repeat(20)}'
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 3000000000, runs: 6, credits: 10 }
recipe: { context: 32, batch: 8, heads: 2, warmup: 10, depth: 1 }
space:
  lr: { log: [0.001, 0.01], points: 3 }
  width: { choice: [16, 32] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

/** What a page that is read may cost: bytes of scripts on the wire, compressed as a browser gets them, and requests. */
const BUDGET = { scriptBytes: 60 * 1024, requests: 30 }

const costOf = (page: Page): Promise<typeof BUDGET> =>
  page.evaluate(() => {
    const all = performance.getEntriesByType('resource')
    const scriptBytes = all
      .filter(entry => entry.name.endsWith('.js'))
      .reduce((sum, entry) => sum + ('encodedBodySize' in entry ? Number(entry.encodedBodySize) : 0), 0)
    return { scriptBytes, requests: all.length + 1 } // the page itself
  })

describe.skipIf(missing)('the pages', () => {
  let stage: Awaited<ReturnType<typeof openGrid>>
  let browser: Browser
  let paths: readonly string[]

  beforeAll(async () => {
    stage = await openGrid()
    const { grid, dir } = stage
    await grid.addUser('rosa', 'researcher', 100_000)
    await grid.addUser('ann', 'volunteer')
    const { id } = await submit(grid, dir, CAMPAIGN)
    const ann = await grid.volunteer('ann', { args: ['--name', HOSTILE.slice(0, 60)] })
    stage.verify()
    const watch = launch('watch', [XEENET, 'campaign', 'watch', id, '--server', grid.url, '--json'])
    expect(await watch.exited).toBe(0)
    const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    const token = (await readFile(await grid.tokenFile('rosa', 'campaign'), 'utf8')).trim()
    const noted = await fetch(`${grid.url}/api/v1/campaigns/${id}/notes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ kind: 'insight', text: HOSTILE, evidence: [view.best?.experimentId] }),
    })
    expect(noted.status).toBe(201)
    const tabs = [
      'parallel',
      'slices',
      'heat',
      'front',
      'curves',
      'runs',
      'search',
      'revisions',
      'notes',
      'log',
    ]
    paths = [
      ...['/', '/c', `/c/${id}`, ...tabs.map(tab => `/c/${id}?tab=${tab}`)],
      `/e/${view.best?.experimentId}`,
      ...['/top', '/top?board=science', '/top?board=impact&via=tab&span=week'],
      ...[`/h/${hostIdOf(ann)}`, '/start', '/status', '/log', '/docs', '/api', '/no/such/page'],
    ]
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  test('each page shows markup as text, breaks no rule of WCAG A or AA, fits its window and its budget', async () => {
    const wrong: string[] = []
    for (const path of paths) {
      const page = await browser.open(stage.grid.url + path)
      await settled(page)
      if ((await page.locator('main img, main script').count()) > 0)
        wrong.push(`${path}: a stranger's elements`)
      if ((await page.title()) === '1') wrong.push(`${path}: a stranger's script ran`)
      const { scriptBytes, requests } = await costOf(page)
      if (scriptBytes === 0 || scriptBytes > BUDGET.scriptBytes)
        wrong.push(`${path}: ${scriptBytes} bytes of scripts`)
      if (requests > BUDGET.requests) wrong.push(`${path}: ${requests} requests`)
      for (const look of LOOKS)
        wrong.push(...(await faults(page, look)).map(fault => `${path} ${look.name}: ${fault}`))
      await page.close()
    }
    wrong.push(...browser.complaints.filter(text => !text.includes('404')))
    expect(wrong).toEqual([])
  })

  test('what is filtered and sorted stands in the address, and the table follows', async () => {
    const runs = paths.find(path => path.endsWith('runs'))
    const page = await browser.open(`${stage.grid.url}${runs}`)
    const rows = page.locator('main tr[data-row]')
    const unchanged = rows.filter({ hasText: 'unchanged' })
    const id = /c_[0-9a-z]{26}/.exec(runs ?? '')?.[0]
    const board = await stage.grid.get(`/api/v1/campaigns/${id}/leaderboard`, Leaderboard)
    const wide = board.rows.filter(row => row.recipe.width === 32).length
    expect(wide).toBeGreaterThan(1)
    expect(wide).toBeLessThan(board.rows.length)
    await rows.nth(board.rows.length - 1).waitFor()
    expect(board.rows.filter(row => row.baseline)).toHaveLength(1)
    expect(await unchanged.count()).toBe(1)
    await page.getByLabel('Filter').fill('width=32')
    await page.waitForFunction(n => document.querySelectorAll('main tr[data-row]').length === n, wide)
    await page.getByRole('button', { name: 'lr', exact: true }).click()
    await page.locator('th[aria-sort=ascending]', { hasText: 'lr' }).waitFor()
    expect(new URL(page.url()).search).toBe('?tab=runs&q=width%3D32&sort=lr')
    await page.reload()
    await rows.nth(wide - 1).waitFor()
    // What its document names is fetched by that name, and by nobody again.
    const read = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
    for (const path of [`/campaigns/${id}`, `/campaigns/${id}/leaderboard?limit=100`])
      expect(read.filter(name => name.endsWith(path))).toHaveLength(1)
    const lrs = await rows.evaluateAll(all =>
      all.map(row => Number(row.querySelectorAll('td')[4]?.textContent)),
    )
    expect(lrs).toHaveLength(wide)
    expect(lrs).toEqual([...lrs].sort((a, b) => a - b))
    await page.close()
  })

  test('brushing an axis filters the rows, by the words of the filter form', async () => {
    const path = paths.find(one => one.endsWith('parallel'))
    const page = await browser.open(`${stage.grid.url}${path}`)
    const rows = page.locator('tr[data-row]')
    await rows.first().waitFor()
    const all = await rows.count()
    const box = await page.locator('canvas.parallel').boundingBox()
    if (box === null) throw new Error('the plot has a place')
    // The last axis is the metric; its lower half holds the best.
    const x = box.x + box.width - 48
    await page.mouse.move(x, box.y + 235)
    await page.mouse.down()
    await page.mouse.move(x, box.y + 140, { steps: 4 })
    await page.mouse.up()
    await page.waitForFunction(n => document.querySelectorAll('tr[data-row]').length < n, all)
    expect(await page.getByRole('textbox', { name: 'Filter' }).inputValue()).toMatch(/^mean>=\S+ mean<=\S+$/)
    expect(await rows.count()).toBeGreaterThan(0)
    await page.mouse.dblclick(x, box.y + 140)
    await page.waitForFunction(n => document.querySelectorAll('tr[data-row]').length === n, all)
    expect(await page.getByRole('textbox', { name: 'Filter' }).inputValue()).toBe('')
    await page.getByRole('textbox', { name: 'Filter' }).fill('width=16')
    await page.waitForFunction(n => document.querySelectorAll('tr[data-row]').length < n, all)
    await page.close()
  })

  test('a page changes by what the stream tells, without being loaded again', async () => {
    const path = paths.find(one => one.endsWith('notes'))
    const id = /c_[0-9a-z]{26}/.exec(path ?? '')?.[0]
    const page = await browser.open(`${stage.grid.url}${path}`)
    await settled(page)
    await page.locator('.strip', { hasText: /[1-9]\d* runs/ }).waitFor() // the runs of this campaign, in the head of every page
    await page.evaluate(() => document.body.setAttribute('data-same', 'yes'))
    const token = (await readFile(await stage.grid.tokenFile('rosa', 'campaign'), 'utf8')).trim()
    const text = 'written while somebody looked'
    await fetch(`${stage.grid.url}/api/v1/campaigns/${id}/notes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ kind: 'insight', text, evidence: [] }),
    })
    await page.getByText(text).waitFor()
    expect(await page.locator('body[data-same]').count()).toBe(1)
    await page.close()
  })
})
