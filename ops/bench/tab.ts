// How fast a browser volunteer computes beside the Node client's strict engine: the same job, the same core, in turn.

import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { z } from 'zod'
import { CampaignView } from '#protocol/campaign.ts'
import { CHROMIUM, FLAGS } from '../exact/chromium.ts'
import type { Figure } from '../figures.ts'
import { type Grid, startGrid } from '../grid.ts'
import { type Program, xeenet } from '../process.ts'

const FUEL = 1e13 // nobody gets through it
const CAMPAIGN = `
title: Longer than any bench
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: ${FUEL}, runs: 1, credits: 100000 }
baseline: false
recipe: { context: 64, batch: 16, heads: 2, warmup: 10, width: 64, depth: 2 }
space: { lr: { choice: [0.003] } }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

const WARM_MS = 10_000
const WINDOW_MS = 10_000
/** Windows of each: thirty seconds in all. */
const WINDOWS = 3
/** What a browser volunteer must reach of the Node client's speed. */
const REACHED_MIN = 0.9

/** One of the two that are measured. */
interface Runner {
  /** Fuel spent so far, as it tells of itself. */
  fuel(): Promise<number>
  /** Of it and all its children, milliseconds of processor time; and of the one thread that used most. */
  cpuMs(): Promise<Spent>
  run(is: boolean): Promise<void>
  close(): Promise<void>
}

/** @returns the ratio of fuel per processor second, and of fuel per wall second on one shared core */
export async function tabFigures(): Promise<readonly Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-bench-tab-'))
  const env = { XEENET_DATASETS: 'sotu-small@1', XEENET_ENROL_WORK: '20000', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  const runners: Runner[] = []
  try {
    await grid.addUser('rosa', 'researcher', 1e9)
    await grid.addUser('ann', 'volunteer')
    await writeFile(join(dir, 'campaign.yaml'), CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    await xeenet(['campaign', 'submit', join(dir, 'campaign.yaml'), ...mine], CampaignView)
    const node = await nodeRunner(grid)
    runners.push(node)
    const tab = await tabRunner(grid, dir)
    runners.push(tab)
    return await compare(node, tab)
  } finally {
    for (const runner of runners) await runner.close()
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

interface Spent {
  readonly allMs: number
  readonly threadMs: number
}

interface Measured {
  readonly perCpu: number
  readonly perThread: number
  readonly perWall: number
}

async function compare(node: Runner, tab: Runner): Promise<readonly Figure[]> {
  for (const runner of [node, tab]) await alone(runner, WARM_MS)
  const of: Measured[][] = [[], []]
  for (let window = 0; window < WINDOWS; window++)
    for (const [i, runner] of [node, tab].entries()) of[i]?.push(await alone(runner, WINDOW_MS))
  const [strict = [], browser = []] = of
  const speed = (all: readonly Measured[], by: keyof Measured): number =>
    all.reduce((sum, one) => sum + one[by], 0) / all.length
  const ratio = (by: keyof Measured): number => speed(browser, by) / speed(strict, by)
  const pairs = browser.map((one, i) => one.perCpu / (strict[i]?.perCpu ?? Number.NaN))
  const round = (value: number): number => Number(value.toPrecision(3))
  return [
    {
      name: 'tab.node-strict',
      value: round(speed(strict, 'perCpu') / 1e9),
      unit: 'Gfuel per processor second',
    },
    { name: 'tab.browser', value: round(speed(browser, 'perCpu') / 1e9), unit: 'Gfuel per processor second' },
    {
      ...{
        name: 'tab.cpu-ratio',
        value: round(ratio('perCpu')),
        unit: 'of node-strict',
        reference: REACHED_MIN,
      },
      ...{ low: round(Math.min(...pairs)), high: round(Math.max(...pairs)) },
    },
    {
      name: 'tab.wall-ratio',
      value: round(ratio('perWall')),
      unit: 'of node-strict',
      reference: REACHED_MIN,
    },
  ]
}

/** Runs one while the other is held. Progress is told about once a second: time is counted from one word to a later one. */
async function alone(runner: Runner, ms: number): Promise<Measured> {
  await runner.run(true)
  const begin = await nextWord(runner)
  await sleep(ms)
  const end = await nextWord(runner)
  await runner.run(false)
  const fuel = end.fuel - begin.fuel
  return {
    perCpu: (fuel / (end.cpu.allMs - begin.cpu.allMs)) * 1000,
    perThread: (fuel / (end.cpu.threadMs - begin.cpu.threadMs)) * 1000,
    perWall: (fuel / (end.at - begin.at)) * 1000,
  }
}

async function nextWord(runner: Runner): Promise<{ fuel: number; cpu: Spent; at: number }> {
  const before = await runner.fuel()
  for (;;) {
    const fuel = await runner.fuel()
    if (fuel !== before) return { fuel, cpu: await runner.cpuMs(), at: performance.now() }
    await sleep(20)
  }
}

// The last one: the first is where a machine's interrupts go.
const core = (): string => (execFileSync('nproc').toString().trim() === '1' ? '0' : '1')

const Progress = z.looseObject({ ev: z.literal('result.progress'), fraction: z.number() })

async function nodeRunner(grid: Grid): Promise<Runner> {
  const program: Program = await grid.volunteer('ann', {
    args: ['--engine', 'strict', '--preset', 'all', '--cores', '1'],
  })
  const pid = String(program.child.pid)
  execFileSync('taskset', ['-acp', core(), pid])
  let fraction = 0
  program.onEvent(event => {
    const told = Progress.safeParse(event)
    if (told.success) fraction = told.data.fraction
  })
  await program.until(event => event.ev === 'result.progress')
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => async (): Promise<void> => void program.child.kill(name)
  const [hold, goOn] = [signal('SIGSTOP'), signal('SIGCONT')]
  await hold()
  return {
    fuel: async () => fraction * FUEL,
    cpuMs: () => spentBy(Number(pid)),
    run: is => (is ? goOn() : hold()),
    close: goOn,
  }
}

async function tabRunner(grid: Grid, dir: string): Promise<Runner> {
  const [pidFile, wrapper] = [join(dir, 'chromium.pid'), join(dir, 'chromium.sh')]
  await writeFile(wrapper, `#!/bin/sh\necho $$ > '${pidFile}'\nexec taskset -c ${core()} ${CHROMIUM} "$@"\n`)
  await chmod(wrapper, 0o755)
  const context: BrowserContext = await chromium.launchPersistentContext(join(dir, 'profile'), {
    ...{ executablePath: wrapper, args: [...FLAGS], viewport: { width: 1280, height: 900 } },
  })
  const page: Page = await context.newPage()
  await page.addInitScript(keepFraction)
  await page.goto(`${grid.url}/start`)
  await page.getByRole('radio', { name: /All in/ }).check()
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.locator('[data-result]').waitFor({ timeout: 120_000 })
  const press = async (name: string, mode: string): Promise<void> => {
    await page.getByRole('button', { name, exact: true }).click()
    await page.locator(`[data-mode=${mode}]`).waitFor()
  }
  await press('Pause', 'paused')
  const pid = Number(await readFile(pidFile, 'utf8'))
  return {
    fuel: async () => Number(await page.evaluate(() => document.body.dataset.fraction ?? 0)) * FUEL,
    cpuMs: () => spentBy(pid),
    run: is => (is ? press('Run', 'working') : press('Pause', 'paused')),
    close: () => context.close(),
  }
}

/** In the page: what the volunteer tells its tabs, exactly. */
function keepFraction(): void {
  new BroadcastChannel('xeenet-volunteer').onmessage = ({ data }) => {
    const told = data.snapshot?.runs?.[0]?.fraction
    if (typeof told === 'number') document.body.dataset.fraction = String(told)
  }
}

/** A process and all below it, from /proc: user and system time. */
async function spentBy(root: number): Promise<Spent> {
  const processes = await Promise.all((await numbersIn('/proc')).map(pid => statOf(`/proc/${pid}/stat`)))
  const known = processes.filter(one => one !== undefined)
  const tree = new Set([root])
  for (let size = 0; size !== tree.size; ) {
    size = tree.size
    for (const one of known) if (tree.has(one.parent)) tree.add(one.id)
  }
  const threads = await Promise.all([...tree].map(threadsOf))
  return {
    allMs: known.filter(one => tree.has(one.id)).reduce((sum, one) => sum + one.ms, 0),
    threadMs: Math.max(...threads.flat()),
  }
}

const threadsOf = async (pid: number): Promise<number[]> => {
  const stats = (await numbersIn(`/proc/${pid}/task`)).map(id => statOf(`/proc/${pid}/task/${id}/stat`))
  return (await Promise.all(stats)).flatMap(one => one?.ms ?? [])
}

/** What ended meanwhile is not there. */
const numbersIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory).catch(() => [])).filter(name => /^\d+$/.test(name))

const TICK_MS = 10 // USER_HZ of Linux is 100

async function statOf(file: string): Promise<{ id: number; parent: number; ms: number } | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  // The name stands in parentheses and may hold anything.
  const fields = text
    ?.slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  if (text === undefined || fields === undefined) return undefined
  const at = (i: number): number => fields[i] ?? 0
  return { id: Number.parseInt(text, 10), parent: at(1), ms: (at(11) + at(12)) * TICK_MS }
}
