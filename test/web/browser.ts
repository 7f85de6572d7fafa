// A real browser on a real grid, for the tests of the pages.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { CHROMIUM, FLAGS } from '#ops/exact/chromium.ts'
import { type Grid, startGrid } from '#ops/grid.ts'
import { xeenet } from '#ops/process.ts'
import { CampaignView } from '#protocol/campaign.ts'
import { playMachine } from './machine.ts'

/** A fresh browser profile. */
export interface Browser {
  readonly context: BrowserContext
  open(url: string): Promise<Page>
  /** What pages complained about: a page that breaks its own content policy says so here. */
  readonly complaints: string[]
  close(): Promise<void>
}

export async function openBrowser(flags: readonly string[] = FLAGS): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'xeenet-browser-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: [...flags],
    viewport: { width: 1280, height: 900 },
  })
  context.setDefaultTimeout(120_000) // a busy machine is no failure
  await playMachine(context)
  const complaints: string[] = []
  return {
    context,
    complaints,
    open: async url => {
      const page = await context.newPage()
      page.on('pageerror', error => complaints.push(String(error)))
      page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
      await page.goto(url)
      return page
    },
    close: async () => {
      await context.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}

/** A grid for a browser, with what the test does to it. */
export interface Stage {
  readonly grid: Grid
  readonly dir: string
  /** Starts the verifier, once: until then nobody computes but who the test starts. */
  verify(): void
  close(): Promise<void>
}

/** A grid of its own in a directory of its own. */
export async function openGrid(): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-web-'))
  const grid = await startGrid({
    dir,
    env: {
      XEENET_RETRY_MIN_MS: '50',
      XEENET_DATASETS: 'sotu-small@1',
      XEENET_LOG_LEVEL: 'warn',
      XEENET_ENROL_WORK: '20000',
    },
    serverArgs: ['--no-verifier'],
  })
  let isVerified = false
  return {
    grid,
    dir,
    verify: () => {
      if (!isVerified) grid.verifier()
      isVerified = true
    },
    close: async () => {
      await grid.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** A campaign file of two short runs, each of which two hosts compute. */
export const twoRuns = (title: string, fuel: number): string => `
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

/** Submits a campaign over the command line as the researcher `rosa`. */
export async function submit(grid: Grid, dir: string, yaml: string): Promise<CampaignView> {
  const file = join(dir, 'campaign.yaml')
  await writeFile(file, yaml)
  const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
  return xeenet(['campaign', 'submit', file, ...mine], CampaignView)
}
