import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { CampaignView, LedgerSummary } from '#protocol/campaign.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { ExportView } from '#protocol/exports.ts'
import { sha256 } from '#support/builders.ts'

const CAMPAIGN = `
title: Two learning rates
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 4000000000, runs: 2, credits: 10 }
baseline: false
recipe: { context: 32, batch: 8, heads: 2, warmup: 10, width: 32, depth: 1 }
space:
  lr: { log: [0.001, 0.01], points: 2 }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1 }
`

const Line = z.looseObject({ ev: z.string(), digest: z.string(), runKey: z.string().optional() })

const Running = z.looseObject({ pid: z.int() })

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a server and two volunteers of different owners finish a campaign; this machine reproduces it; no orphan stays', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-grid-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await grid.addUser('rosa', 'researcher', 100_000)
    const file = join(dir, 'campaign.yaml')
    await writeFile(file, CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    await grid.addUser('ann', 'volunteer')
    await grid.addUser('bob', 'volunteer')
    const [ann] = await Promise.all([grid.volunteer('ann'), grid.volunteer('bob')])
    const places = ['--cache-dir', join(dir, 'cache')]
    const local = await xeenet(['campaign', 'run-local', file, ...mine, ...places], Line)
    const { id } = await xeenet(['campaign', 'submit', file, ...mine], CampaignView)

    const watch = launch('watch', [XEENET, 'campaign', 'watch', id, '--server', grid.url, '--json'])
    expect(await watch.exited).toBe(0)
    const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    expect(view).toMatchObject({ state: 'finished', workUnits: { valid: 2, open: 0, failed: 0 } })
    expect(await grid.get('/api/v1/ledger/summary', LedgerSummary)).toMatchObject({
      sumMilli: 0,
      balanced: true,
    })

    const exported = join(dir, 'runs.ndjson')
    const saving = launch('export', [XEENET, 'campaign', 'export', id, '--server', grid.url, '-o', exported])
    expect(await saving.exited).toBe(0)
    const rows = (await readFile(exported, 'utf8'))
      .trim()
      .split('\n')
      .map(line => CorpusRow.parse(JSON.parse(line)))
    expect(rows).toHaveLength(2)
    expect(rows.find(row => row.runKey === local.runKey)?.digest).toBe(local.digest)

    const folder = join(dir, 'export')
    const asked = ['campaign', 'export', id, '--format', 'parquet', '--out', folder, '--server', grid.url]
    const { files } = await xeenet(asked, ExportView)
    for (const { name, sha256: sum } of files) expect(sha256(await readFile(join(folder, name)))).toBe(sum)
    expect(files.map(file => file.name).sort()).toEqual([`${id}.parquet`, 'manifest.json'])

    const best = view.best?.experimentId
    const repro = await xeenet(['repro', String(best), '--server', grid.url, ...places], Line)
    expect(repro).toMatchObject({ ev: 'repro', identical: true })
    expect(rows.find(row => row.experimentId === best)?.digest).toBe(repro.digest)

    const enrol = [
      '--server',
      grid.url,
      '--token-file',
      await grid.tokenFile('ann', 'enrol'),
      '--preset',
      'all',
    ]
    const up = (state: string, ...args: string[]) =>
      launch('up', [XEENET, 'up', ...enrol, '--state-dir', join(dir, state), ...places, ...args]).exited
    expect(await up('hosts/ann'), 'somebody uses that directory').toBe(5)
    expect(await up('idle', '--once'), 'no work').toBe(7)
    expect(await up('wrong', '--token', 'xu_unknown'), 'not accepted').toBe(4)
    ann.child.kill('SIGINT')
    expect(await ann.exited, 'stopped as asked').toBe(0)

    const { pid } = Running.parse(JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')))
    grid.server.child.kill('SIGKILL')
    await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false)
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

test('the command line says what is wrong by its exit status', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-cli-'))
  const nowhere = ['--server', 'http://127.0.0.1:9', '--state-dir', dir, '--cache-dir', dir]
  const bad = join(dir, 'bad.yaml')
  await writeFile(bad, 'title: nothing else\n')
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [0, ['version']],
    [0, ['help', 'exit-codes']],
    [0, ['--help']],
    [2, ['no-such-command']],
    [2, ['up', '--cores', 'many', ...nowhere]],
    [2, ['up', '--preset', 'greedy', ...nowhere]],
    [2, ['campaign', 'submit', bad, '--server', 'http://127.0.0.1:9']],
    [2, ['campaign', 'submit', join(dir, 'missing.yaml')]],
    [2, ['credits', '--token-file', join(dir, 'missing.token')]],
    [3, ['campaign', 'list', '--server', 'http://127.0.0.1:9']],
  ]
  const exits = await Promise.all(cases.map(([, args]) => launch('cli', [XEENET, ...args]).exited))
  expect(exits).toEqual(cases.map(([exit]) => exit))
  await rm(dir, { recursive: true, force: true })
})
