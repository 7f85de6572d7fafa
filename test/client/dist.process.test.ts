// The archive of this platform: unpacked where nothing is installed, it computes for a real server, started by its page.

import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { create, extract } from 'tar'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { XEENET, xeenet } from '#ops/process.ts'
import { CampaignView } from '#protocol/campaign.ts'

const CAMPAIGN = `
title: Out of an archive
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 2000000000, runs: 1, credits: 10 }
baseline: false
recipe: { context: 32, batch: 8, heads: 2, warmup: 10, width: 32, depth: 1 }
space:
  lr: { choice: [0.003] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`

const Local = z.object({
  own: z.boolean(),
  trouble: z.string().nullable(),
  running: z
    .looseObject({ phase: z.string(), computed: z.array(z.looseObject({ digest: z.string().nullable() })) })
    .nullable(),
})

/** Which platforms the archive can be tried on. */
const here = `${process.platform}-${process.arch}`

test.skipIf(!['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'].includes(here))(
  'unpacked into an empty directory, without Node in the path, it computes a work unit once its page says Start',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'xeenet-dist-test-'))
    const grid = await startGrid({
      dir,
      env: { XEENET_DATASETS: 'sotu-small@1', XEENET_ENROL_WORK: '20000' },
      serverArgs: ['--no-verifier'],
    })
    try {
      await promisify(execFile)(process.execPath, [
        join(XEENET, '../../../ops/dist.ts'),
        ...['--platform', `${here},win-x64`, '--node', `win-x64=${await standIn(dir)}`],
        ...['--out', dir, '--level', '1'],
      ])
      const archives = (await readdir(dir)).filter(name => name.endsWith('.tar.gz'))
      const of = (platform: string) => archives.find(name => name.endsWith(`-${platform}.tar.gz`)) ?? ''
      await isOfWindows(join(dir, of('win-x64')))
      const archive = of(here)
      const home = join(dir, 'a home')
      await mkdir(home)
      await extract({ file: join(dir, archive), cwd: home })
      const [unpacked = ''] = await readdir(home)
      await grid.addUser('rosa', 'researcher', 100_000)
      await writeFile(join(dir, 'campaign.yaml'), CAMPAIGN)
      const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
      await xeenet(['campaign', 'submit', join(dir, 'campaign.yaml'), ...mine], CampaignView)

      const page = spawn(join(home, unpacked, 'XeeNet.sh'), ['--no-browser', '--json'], {
        cwd: '/',
        env: { PATH: '/nowhere', HOME: home },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        const digest = await computeBy(await addressOf(page), grid.url)
        expect(digest).toMatch(/^[0-9a-f]{64}$/)
      } finally {
        page.kill('SIGTERM')
        await new Promise(ended => page.once('exit', ended))
      }
    } finally {
      await grid.stop()
      await rm(dir, { recursive: true, force: true })
    }
  },
)

const STAND_IN = 'not Node: a test says so'

/** What lies where Node for Windows would, as nodejs.org packs it: a program beside everything else. Nothing here runs it. */
async function standIn(dir: string): Promise<string> {
  const folder = join(dir, 'node-v26.0.0-win-x64')
  await mkdir(folder)
  await writeFile(join(folder, 'node.exe'), STAND_IN)
  await writeFile(join(folder, 'LICENSE'), 'of the stand-in')
  const file = join(dir, 'node-v26.0.0-win-x64.tgz')
  await create({ cwd: dir, file, gzip: true }, ['node-v26.0.0-win-x64'])
  return file
}

/** Starters name what is there, by Windows' own paths; what a double-click opens is one of them. */
async function isOfWindows(archive: string): Promise<void> {
  const home = join(archive, '..', 'windows')
  await mkdir(home)
  await extract({ file: archive, cwd: home })
  const [unpacked = ''] = await readdir(home)
  const at = (...path: string[]) => join(home, unpacked, ...path)
  expect((await readdir(at())).sort()).toEqual(['README.txt', 'XeeNet.cmd', 'app', 'xeenet-cli.cmd'])
  expect(await readFile(at('app', 'bin', 'node.exe'), 'utf8')).toBe(STAND_IN)
  expect(await readFile(at('app', 'LICENSE-node'), 'utf8')).toBe('of the stand-in')
  for (const [starter, rest] of [
    ['XeeNet.cmd', ' open\r\n@if errorlevel 1 pause\r\n'],
    ['xeenet-cli.cmd', ' %*\r\n'],
  ] as const) {
    const text = await readFile(at(starter), 'utf8')
    const [, program = '', script = '', after] = /^@"%~dp0([^"]+)" "%~dp0([^"]+)"([\s\S]*)$/.exec(text) ?? []
    expect(after).toBe(rest)
    for (const path of [program, script]) expect((await stat(at(...path.split('\\')))).isFile()).toBe(true)
  }
}

async function addressOf(page: ReturnType<typeof spawn>): Promise<string> {
  if (page.stdout === null) throw new Error('no output')
  for await (const line of createInterface({ input: page.stdout })) {
    const said = z.looseObject({ ev: z.string(), url: z.string().optional() }).parse(JSON.parse(line))
    if (said.url !== undefined) return said.url
  }
  throw new Error('it ended without an address')
}

/** What a person does in the browser: opens the page, presses Start, waits for a result. */
async function computeBy(address: string, server: string): Promise<string | null | undefined> {
  const first = await fetch(address, { redirect: 'manual' })
  const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? ''
  const { origin } = new URL(address)
  const ask = async (path: string, body?: object): Promise<z.infer<typeof Local>> => {
    const asked = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`${origin}${path}`, { ...asked, headers: { cookie } })
    return Local.parse(await response.json())
  }
  expect((await fetch(`${origin}/`, { headers: { cookie } })).status).toBe(200)
  expect(await ask('/local/status')).toEqual({ own: false, trouble: null, running: null })
  await ask('/local/start', { settings: { preset: 'all' }, server })
  for (;;) {
    const { trouble, running } = await ask('/local/status')
    expect(trouble).toBeNull()
    const done = running?.computed.find(one => one.digest !== null)
    if (done !== undefined) return done.digest
    await new Promise(later => setTimeout(later, 200))
  }
}
