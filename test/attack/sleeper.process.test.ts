import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { xeenet } from '#ops/process.ts'
import { CampaignView } from '#protocol/campaign.ts'
import { RunningServer } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'

const CAMPAIGN = `
title: Many learning rates
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 2500000000, runs: 150, credits: 1000 }
baseline: false
recipe: { context: 16, batch: 4, heads: 2, warmup: 10, width: 16, depth: 1 }
space:
  lr: { log: [0.001, 0.01], points: 150 }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 2, seeds: 1 }
`

const Done = z.looseObject({ ev: z.literal('result.done'), result: z.string() })
const HONEST_RUNS = 30

test('a forger that behaves for thirty results and then lies about a record is caught before the record is published', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-sleeper-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await grid.addUser('rosa', 'researcher', 1_000_000)
    await grid.addUser('ann', 'volunteer')
    await grid.addUser('eve', 'volunteer')
    const file = join(dir, 'campaign.yaml')
    await writeFile(file, CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    const { id } = await xeenet(['campaign', 'submit', file, ...mine], CampaignView)
    const eve = await grid.volunteer('eve', { program: [join(import.meta.dirname, 'sleeper.ts')] })
    await grid.volunteer('ann')
    const told = () => eve.events.flatMap(event => Done.safeParse(event).data?.result ?? [])
    await eve.until(() => told().length > HONEST_RUNS)
    const lie = told()[HONEST_RUNS]

    const { connectionString } = RunningServer.parse(
      JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')),
    )
    const knex = openDatabase({ connectionString })
    const one = async (sql: string) => (await knex.raw(sql, { lie, id })).rows[0]
    try {
      const verdict = async () => (await one(`select verdict from results where id = :lie`)).verdict
      await expect.poll(verdict, { timeout: 60_000, interval: 200 }).toBe('invalid')
      const unit = await one(`select work_unit_id as id from results where id = :lie`)
      // Retracted rows stay: none was ever there. What is published of the run is the verifier's word.
      expect(await one(`select count(*)::int as n from corpus where result_id = :lie`)).toEqual({ n: 0 })
      const reopened = await one(`select reopened_at from work_units where id = '${unit.id}'`)
      expect(reopened).toEqual({ reopened_at: null })
      const honest = await one(`select min(metric_value) as value from corpus where campaign_id = :id`)
      const claimed = await one(`select metric as value from results where id = :lie`)
      expect(claimed.value).toBeLessThan(honest.value)
    } finally {
      await knex.destroy()
    }
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})
