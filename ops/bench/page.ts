// A campaign page with 10,000 experiments: a real server, a real database, a real Chromium, from a cold start of the browser.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type Page } from 'playwright-core'
import { CampaignView } from '#protocol/campaign.ts'
import { theRunning } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import { CHROMIUM, FLAGS } from '../exact/chromium.ts'
import type { Figure } from '../figures.ts'
import { startGrid } from '../grid.ts'
import { xeenet } from '../process.ts'
import { fillCampaign } from './page-fill.ts'
import { watchFor, watchPage } from './page-probe.ts'
import { figureOf } from './spread.ts'

const EXPERIMENTS = 10_000
const FILTERS = ['width=32', 'width=64 lr<0.01', 'depth>2', 'warmup=0 width=16', 'lr>0.003']
const ROUNDS = FILTERS.length
const FIRST_ROW_MS_MAX = 1_000
const REDRAW_MS_MAX = 100
// After what was waited for: what a page asks for by then is what it asks for.
const SETTLED_MS = 1_500
const SCRIPT_BYTES_MAX = 60 * 1024
// In the plot of parallel coordinates: how far its axes reach, and how far they are from its sides.
const [AXIS_TOP, AXIS_BOTTOM, AXIS_SIDE] = [40, 230, 48]

const CAMPAIGN = `
title: Ten thousand recipes
question: val_bpb(warmup=50) < val_bpb(warmup=0) at 3 Gfuel
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 3e9, runs: 4, credits: 1000 }
baseline: false
recipe: { context: 32, heads: 2 }
space:
  lr: { log: [0.001, 0.03] }
  width: { choice: [16, 32, 64] }
  depth: { int: [1, 4] }
  warmup: { int: [0, 50], step: 10 }
  batch: { choice: [4, 8, 16] }
sampler: { name: random, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

/** @returns how long a reader waits for the first row, and for what follows a filter and a brush; bytes and requests */
export async function pageFigures(): Promise<readonly Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-bench-page-'))
  const env = { XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  try {
    const running = await theRunning(grid.dataDir)
    await grid.addUser('rosa', 'researcher', 1e9)
    await writeFile(join(dir, 'campaign.yaml'), CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    const { id } = await xeenet(['campaign', 'submit', join(dir, 'campaign.yaml'), ...mine], CampaignView)
    await xeenet(['campaign', 'stop', id, ...mine], CampaignView)
    const knex = openDatabase({ connectionString: running.connectionString })
    await fillCampaign(knex, id, EXPERIMENTS).finally(() => knex.destroy())
    const at = `${grid.url}/c/${id}`
    return [...(await readers(at, dir)), ...(await hands(at, dir))]
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** A browser that was never here: nothing is in its cache. */
async function openFresh(dir: string): Promise<{ page: Page; close(): Promise<void> }> {
  const profile = await mkdtemp(join(dir, 'profile-'))
  const context = await chromium.launchPersistentContext(profile, {
    ...{ executablePath: CHROMIUM, args: [...FLAGS], viewport: { width: 1280, height: 900 } },
  })
  const page = await context.newPage()
  await page.addInitScript(watchPage)
  return { page, close: () => context.close() }
}

/** What is waited for on each view of the campaign. */
const FIRST: Readonly<Record<string, string>> = {
  runs: 'main tr[data-row]',
  parallel: 'main canvas.parallel',
  overview: 'main .chart canvas',
}

async function readers(at: string, dir: string): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const [tab, selector] of Object.entries(FIRST)) {
    const waits: number[] = []
    let loaded: Loaded = { requests: 0, bytes: 0, scriptBytes: 0 }
    // The first round warms the server up, as a server that is read is.
    for (let round = 0; round <= ROUNDS; round++) {
      const { page, close } = await openFresh(dir)
      await page.addInitScript(watchFor, selector)
      await page.goto(`${at}?tab=${tab}`, { waitUntil: 'commit' })
      await page.waitForFunction(() => window.firstShownMs !== undefined)
      const ms = await page.evaluate(() => window.firstShownMs ?? Number.NaN)
      if (round > 0) waits.push(ms)
      await sleep(SETTLED_MS)
      loaded = await loadedBy(page)
      await close()
    }
    figures.push(
      { ...figureOf(`page.${tab}.first_ms`, waits, 'ms'), reference: FIRST_ROW_MS_MAX },
      { name: `page.${tab}.requests`, value: loaded.requests, unit: 'requests' },
      { name: `page.${tab}.bytes`, value: loaded.bytes, unit: 'bytes on the wire' },
      {
        ...{ name: `page.${tab}.script_bytes`, value: loaded.scriptBytes, unit: 'bytes on the wire' },
        reference: SCRIPT_BYTES_MAX,
      },
    )
  }
  return figures
}

interface Loaded {
  readonly requests: number
  readonly bytes: number
  readonly scriptBytes: number
}

const loadedBy = (page: Page): Promise<Loaded> =>
  page.evaluate(() => {
    const all = performance.getEntriesByType('resource')
    const bytesOf = (entries: PerformanceEntryList): number =>
      entries.reduce(
        (sum, entry) => sum + ('encodedBodySize' in entry ? Number(entry.encodedBodySize) : 0),
        0,
      )
    return {
      requests: all.length + 1, // the page itself
      bytes: bytesOf(all),
      scriptBytes: bytesOf(all.filter(entry => entry.name.endsWith('.js'))),
    }
  })

/** A person filters the rows and brushes the plot. */
async function hands(at: string, dir: string): Promise<readonly Figure[]> {
  const { page, close } = await openFresh(dir)
  try {
    await page.goto(`${at}?tab=runs`)
    await page.locator('main tr[data-row]').first().waitFor()
    await page.waitForFunction(n => document.querySelector(`table[aria-rowcount="${n}"]`), EXPERIMENTS + 1)
    const filtered = await timed(page, round => page.getByLabel('Filter').fill(FILTERS[round] ?? ''))
    await page.goto(`${at}?tab=parallel`)
    await page.locator('main tr[data-row]').first().waitFor()
    const box = await page.locator('canvas.parallel').boundingBox()
    if (box === null) throw new Error('the plot has a place')
    const axis = box.x + box.width - AXIS_SIDE // the metric
    const brushed = await timed(page, async round => {
      await page.mouse.move(axis, box.y + AXIS_BOTTOM - 10 * round)
      await page.mouse.down()
      await page.mouse.move(axis, box.y + AXIS_TOP + 10 * round, { steps: 3 })
      await page.mouse.up()
    })
    return [
      { ...figureOf('page.filter_to_redraw_ms', filtered, 'ms'), reference: REDRAW_MS_MAX },
      { ...figureOf('page.brush_to_redraw_ms', brushed, 'ms'), reference: REDRAW_MS_MAX },
    ]
  } finally {
    await close()
  }
}

async function timed(page: Page, act: (round: number) => Promise<void>): Promise<number[]> {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await act(round)
    rounds.push(await page.evaluate(() => window.redrawnMs?.() ?? Number.NaN))
  }
  return rounds
}
