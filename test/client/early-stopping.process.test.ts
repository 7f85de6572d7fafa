import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startGrid } from '#ops/grid.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { CampaignView, LedgerSummary, ValidateReply } from '#protocol/campaign.ts'
import { WorkUnitList } from '#protocol/lists.ts'
import { SearchView } from '#protocol/search.ts'

// Nothing is said of a sampler and of stopping early: both are what a campaign does by itself.
const CAMPAIGN = `
title: Which learning rate, by default
kernel: charlm@1
data: sotu-tiny@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 1000000000, runs: 6, credits: 10 }
baseline: false
recipe: { context: 16, batch: 4, heads: 1, width: 16, depth: 1 }
space:
  lr: { log: [0.001, 0.1] }
replicate: { quorum: 2, seeds: 1 }
`

test('a campaign that names no sampler learns, stops most runs early, and two volunteers bring it to its end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-early-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-tiny@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await grid.addUser('rosa', 'researcher', 100_000)
    const file = join(dir, 'campaign.yaml')
    await writeFile(file, CAMPAIGN)
    const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    for (const name of ['ann', 'bob']) await grid.addUser(name, 'volunteer')
    await Promise.all(['ann', 'bob'].map(name => grid.volunteer(name)))
    const { quote } = await xeenet(['campaign', 'validate', file, ...mine], ValidateReply)
    expect(quote.likelyMilli).toBeLessThan(quote.reserveMilli / 3)
    const { id } = await xeenet(['campaign', 'submit', file, ...mine], CampaignView)
    const watch = launch('watch', [XEENET, 'campaign', 'watch', id, '--server', grid.url, '--json'])
    expect(await watch.exited).toBe(0)

    const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    expect(view).toMatchObject({ state: 'finished', experiments: { planned: 6, created: 6 } })
    const { reservedMilli, overrunMilli, returnedMilli, grantedMilli, refundedMilli } = view.credit
    expect(grantedMilli + refundedMilli).toBe(reservedMilli + overrunMilli + returnedMilli)
    expect(grantedMilli).toBeLessThan(reservedMilli / 2)
    expect(await grid.get('/api/v1/ledger/summary', LedgerSummary)).toMatchObject({ balanced: true })

    const { workUnits } = await grid.get(`/api/v1/campaigns/${id}/work-units`, WorkUnitList)
    // The unchanged recipe is run whole beside those that are tried.
    const tried = new Set(workUnits.filter(({ rung }) => rung === 0).map(unit => unit.experimentId))
    const ranAt = [0, 1, 2, 3].map(rung =>
      workUnits.filter(unit => unit.rung === rung && tried.has(unit.experimentId)),
    )
    const [begun = [], ...further] = ranAt
    expect(begun).toHaveLength(6)
    // Whoever came first may have gone on before better ones came: at least a third, never all.
    for (const [i, went] of further.entries()) {
      expect(went.length).toBeGreaterThan(0)
      expect(went.length).toBeLessThanOrEqual(ranAt[i]?.length ?? 0)
    }
    expect(further.at(-1)?.length).toBeLessThan(6)

    // What leads is shown once the verifier has seen it.
    const whole = further.at(-1)?.length ?? 0
    await expect
      .poll(() => grid.get(`/api/v1/campaigns/${id}/search`, SearchView), { timeout: 60_000 })
      .toMatchObject({ sampler: 'tpe', experiments: { finished: whole, partial: 6 - whole, pending: 0 } })
    expect((await grid.get(`/api/v1/campaigns/${id}`, CampaignView)).best).toMatchObject({ n: 1 })
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})
