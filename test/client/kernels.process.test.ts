// Campaigns of vision and cartpole through the real system: server, volunteers, leaderboard, reproduction; and a data set
// that an operator imports.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Grid, startGrid } from '#ops/grid.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { CampaignView, Leaderboard, ValidateReply } from '#protocol/campaign.ts'
import { DatasetManifest } from '#protocol/dataset.ts'
import { encodeSplit } from '#server/data/idx.ts'
import { sampleImages } from '../assembly/sample-images.ts'

const VISION = `
title: A hidden layer or a convolution
kernel: vision@1
data: shapes@1
metric: { name: val_bits, goal: minimize }
budget: { fuel_per_run: 400000000, runs: 2, credits: 10 }
baseline: false
recipe: { channels: 8, depth: 0, batch: 16, warmup: 5, lr: 0.01 }
space:
  model: { choice: [softmax, cnn] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1 }
`

// No data, a metric to maximise, two seeds. One of the rates is so low that nothing is learnt.
const CARTPOLE = `
title: A rate that learns and one that does not
kernel: cartpole@1
metric: { name: mean_return, goal: maximize }
budget: { fuel_per_run: 1000000000, runs: 2, credits: 10 }
baseline: false
space:
  lr: { choice: [0.00001, 0.03] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 2 }
`

const Line = z.looseObject({ ev: z.string(), digest: z.string(), identical: z.boolean().optional() })
const Imported = DatasetManifest.extend({ outcome: z.enum(['imported', 'known']) })
const Refusal = z.looseObject({ ev: z.literal('error'), code: z.string() })

let dir: string
let grid: Grid
let mine: readonly string[]

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-kernels-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'shapes@1', XEENET_LOG_LEVEL: 'warn' }
  grid = await startGrid({ dir, env })
  await grid.addUser('rosa', 'researcher', 100_000)
  mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
  for (const owner of ['ann', 'bob']) await grid.addUser(owner, 'volunteer')
  await Promise.all(['ann', 'bob'].map(owner => grid.volunteer(owner)))
})

afterAll(async () => {
  await grid.stop()
  await rm(dir, { recursive: true, force: true })
})

const saved = async (name: string, text: string): Promise<string> => {
  const file = join(dir, name)
  await writeFile(file, text)
  return file
}

/** Submits a campaign, waits for its end, and reads its board. */
async function play(file: string): Promise<{ view: CampaignView; board: Leaderboard }> {
  const { id } = await xeenet(['campaign', 'submit', file, ...mine], CampaignView)
  const watch = launch('watch', [XEENET, 'campaign', 'watch', id, '--server', grid.url, '--json'])
  expect(await watch.exited).toBe(0)
  const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
  return { view, board: await grid.get(`/api/v1/campaigns/${id}/leaderboard`, Leaderboard) }
}

describe('a campaign of another kernel runs through the whole system', () => {
  test('vision: minimised, with the class frequencies as its baseline, reproduced here', async () => {
    const file = await saved('vision.yaml', VISION)
    const cache = ['--cache-dir', join(dir, 'cache')]
    const local = await xeenet(['campaign', 'run-local', file, ...mine, ...cache], Line)
    const { view, board } = await play(file)
    expect(view).toMatchObject({ state: 'finished', workUnits: { valid: 2, open: 0, failed: 0 } })
    const [best, second] = board.rows
    expect(best!.mean).toBeLessThan(second!.mean!)
    expect(view.best?.mean).toBe(best!.mean)
    expect(board.baselines).toEqual([{ name: 'class frequencies', value: expect.closeTo(3, 1) }])
    expect(best!.mean).toBeLessThan(board.baselines[0]!.value)
    const repro = await xeenet(['repro', best!.experimentId, '--server', grid.url, ...cache], Line)
    expect(repro).toMatchObject({ ev: 'repro', identical: true })
    const digests = await Promise.all(
      board.rows.map(row => xeenet(['repro', row.experimentId, '--server', grid.url, ...cache], Line)),
    )
    expect(digests.map(({ digest }) => digest)).toContain(local.digest)
  })

  test('cartpole: without data, maximised: the higher return leads and is the best', async () => {
    const { view, board } = await play(await saved('cartpole.yaml', CARTPOLE))
    expect(view).toMatchObject({ state: 'finished', data: 'none@0', workUnits: { valid: 4, open: 0 } })
    const [best, second] = board.rows
    expect(best).toMatchObject({ n: 2, recipe: { lr: 0.03 } })
    expect(best!.mean).toBeGreaterThan(second!.mean!)
    expect(view.best).toMatchObject({ mean: best!.mean, recipe: { lr: 0.03 } })
    expect(best!.ci95).not.toBeNull()
    expect(board.baselines).toEqual([])
    const cache = ['--cache-dir', join(dir, 'cache')]
    const repro = await xeenet(['repro', best!.resultId!, '--server', grid.url, ...cache], Line)
    expect(repro).toMatchObject({ ev: 'repro', identical: true })
  })
})

describe('an operator imports images', () => {
  const importing = (...args: readonly string[]): readonly string[] => [
    ...['dataset', 'import', join(dir, 'idx'), '--val', '10', '--licence', 'CC0-1.0', '--source', 'tests@1'],
    ...[...args, '--data-dir', grid.dataDir],
  ]

  /** The four files of the MNIST layout. */
  async function writeFiles(): Promise<void> {
    await mkdir(join(dir, 'idx'), { recursive: true })
    for (const [prefix, count] of [
      ['train', 60],
      ['t10k', 20],
    ] as const) {
      const whole = encodeSplit(sampleImages({ count, size: [6, 6], classes: 4 }))
      await writeFile(join(dir, 'idx', `${prefix}-labels-idx1-ubyte`), whole.subarray(0, 8 + count))
      await writeFile(join(dir, 'idx', `${prefix}-images-idx3-ubyte`), whole.subarray(8 + count))
    }
  }

  test('and a campaign may use them; the same again is known, other bytes under the same name are refused', async () => {
    await writeFiles()
    const imported = await xeenet(importing('--name', 'tiny@1'), Imported)
    expect(imported).toMatchObject({ outcome: 'imported', name: 'tiny', version: 1 })
    expect(imported.splits.map(({ name }) => name)).toEqual(['train', 'val', 'test'])
    expect(await xeenet(importing('--name', 'tiny@1'), Imported)).toMatchObject({ outcome: 'known' })
    const file = await saved('tiny.yaml', VISION.replace('shapes@1', 'tiny@1'))
    expect(await xeenet(['campaign', 'validate', file, ...mine], ValidateReply)).toMatchObject({
      valid: true,
    })
    for (const args of [
      ['--name', 'tiny@1', '--val', '11'],
      ['--name', 'shapes@1'],
    ]) {
      const refused = launch('import', [XEENET, ...importing(...args), '--json'])
      const said = await refused.until(event => event.ev === 'error')
      expect(Refusal.parse(said).code).toBe('version_taken')
      expect(await refused.exited).toBe(1)
    }
  })

  test('a kernel that reads none takes none, one that reads some needs some', async () => {
    const refusals = [
      [CARTPOLE.replace('kernel: cartpole@1', 'kernel: cartpole@1\ndata: shapes@1'), 'the kernel reads none'],
      [VISION.replace('data: shapes@1\n', ''), 'has no split train'],
    ] as const
    for (const [text, reason] of refusals) {
      const file = await saved('wrong.yaml', text)
      const refused = launch('validate', [XEENET, 'campaign', 'validate', file, ...mine, '--json'])
      expect(JSON.stringify(await refused.until(event => event.ev === 'error'))).toContain(reason)
      expect(await refused.exited).not.toBe(0)
    }
  })
})
