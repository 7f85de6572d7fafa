// Real clients of two engine classes on one campaign, and one that lies on the native class.

import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Grid, hostIdOf, startGrid } from '#ops/grid.ts'
import { xeenet } from '#ops/process.ts'
import { CampaignView } from '#protocol/campaign.ts'
import { RunningServer } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import { isMissing } from '../client/onnx/session.ts'

const CAMPAIGN = `
title: On whatever they have
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { flops_per_run: 200000000, runs: 4, credits: 1000 }
engines: [wasm, onnx-cpu]
baseline: false
recipe: { context: 16, batch: 4, heads: 2, warmup: 100, width: 16, depth: 1 }
space:
  lr: { choice: [0.0004, 0.0006, 0.0008, 0.001] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1, policy: fixed }
`
const patient = { timeout: 150_000, interval: 200 }

let dir: string
let grid: Grid
let knex: Knex
const rowsOf = async (sql: string) => (await knex.raw(sql)).rows
const count = async (sql: string): Promise<number> =>
  (await rowsOf(`select count(*)::int as n from ${sql}`))[0].n
const leased = (engineClass: string) => () =>
  count(`results where engine_class = '${engineClass}' and host_id is not null`)

describe.skipIf(isMissing)('a campaign on wasm and onnx-cpu', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'xeenet-engines-'))
    const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
    grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
    const running = RunningServer.parse(JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')))
    knex = openDatabase({ connectionString: running.connectionString, poolMax: 2, warn: () => undefined })
    await grid.addUser('rosa', 'researcher', 1_000_000)
    for (const owner of ['eve', 'ann', 'bob', 'cat', 'dan']) await grid.addUser(owner, 'volunteer')
    const file = join(dir, 'campaign.yaml')
    await writeFile(file, CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    await xeenet(['campaign', 'submit', file, ...mine], CampaignView)
  })
  afterAll(async () => {
    await knex.destroy()
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  })

  /** Who offers ONNX Runtime on this machine, after the first: its self-test is remembered, as that of one machine is. */
  async function native(owner: string): Promise<void> {
    const state = join(dir, 'hosts', owner)
    await mkdir(state, { recursive: true })
    await copyFile(join(dir, 'hosts', 'eve', 'native.json'), join(state, 'native.json'))
    await grid.volunteer(owner, { args: ['--engines', 'onnx-cpu'] })
  }

  test('every unit is of one class, the liar is caught by its own weights, and both classes end the campaign', async () => {
    const go = join(dir, 'go')
    // She has two of the four units, and holds them until a host of the other class has the rest.
    const eve = hostIdOf(
      await grid.volunteer('eve', {
        program: [join(import.meta.dirname, 'shifted.ts'), go],
        args: ['--engines', 'onnx-cpu'],
      }),
    )
    await expect.poll(leased('onnx-cpu'), patient).toBe(2)
    await grid.volunteer('ann', { args: ['--engines', 'wasm'] })
    await expect.poll(() => count(`work_units where engine_class is null`), patient).toBe(0)
    await writeFile(go, '')
    grid.verifier(['--engines', 'wasm,onnx-cpu']) // records wait for a trusted host of their class
    await Promise.all([grid.volunteer('bob', { args: ['--engines', 'wasm'] }), native('cat'), native('dan')])

    await expect.poll(() => count(`hosts where id = '${eve}' and state = 'quarantined'`), patient).toBe(1)
    await expect.poll(() => count(`work_units where state = 'valid'`), patient).toBe(4)
    expect(
      await rowsOf(
        `select engine_class, count(*)::int as n from work_units group by 1 order by engine_class::text`,
      ),
    ).toEqual([
      { engine_class: 'onnx-cpu', n: 2 },
      { engine_class: 'wasm', n: 2 },
    ])
    expect(
      await count(`(select from results r join work_units w on w.id = r.work_unit_id
        where r.host_id is not null and r.engine_class is distinct from w.engine_class) as mixed`),
    ).toBe(0)
    const hers = await rowsOf(`select verdict, weights from results where host_id = '${eve}'`)
    expect(hers).toContainEqual({ verdict: 'invalid', weights: 'different' })
    expect(hers).not.toContainEqual(expect.objectContaining({ verdict: 'valid' }))
    expect(
      await count(`results r join work_units w on w.canonical_result_id = r.id
        where w.engine_class = 'onnx-cpu' and r.weights is distinct from 'equal'`),
    ).toBe(0)
  })
})
