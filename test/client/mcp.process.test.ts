import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { expect, test } from 'vitest'
import { startGrid } from '#ops/grid.ts'
import { XEENET } from '#ops/process.ts'
import { NewKey } from '#protocol/keys.ts'
import { agentOf, openAgent } from '#support/agent.ts'

const campaign = (runs: number) => ({
  ...{ title: 'Two learning rates', question: 'Which is better?' },
  ...{ kernel: 'charlm@1', data: 'sotu-small@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 4e9, runs, credits: 10 },
  recipe: { context: 32, batch: 8, heads: 2, warmup: 10, width: 32, depth: 1 },
  space: { lr: { log: [0.001, 0.01], points: runs } },
  ...{ sampler: { name: 'grid', seed: 7 }, replicate: { quorum: 2, seeds: 1 }, baseline: false },
})

test('an agent asks a question, waits for volunteers, and reports, over stdio and over HTTP, within its budget', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-mcp-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await grid.addUser('rosa', 'researcher', 100_000)
    const token = (await readFile(await grid.tokenFile('rosa', 'campaign'), 'utf8')).trim()
    const made = await fetch(new URL('/api/v1/keys', grid.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ label: 'agent', scopes: ['campaign'], budgetMilli: 200 }),
    })
    const { key } = NewKey.parse(await made.json())
    const keyFile = join(dir, 'key')
    await writeFile(keyFile, String(key), { mode: 0o600 })
    for (const name of ['ann', 'bob']) await grid.addUser(name, 'volunteer')
    await Promise.all(['ann', 'bob'].map(name => grid.volunteer(name)))

    const args = [XEENET, 'mcp', '--server', grid.url, '--token-file', keyFile]
    const agent = await openAgent(
      new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }),
    )
    const seen = (await agent.use('xee_server')).data
    expect(seen.account.key).toMatchObject({ remainingMilli: 200 })
    expect(seen.kernels.map((each: { kernel: string }) => each.kernel)).toContain('charlm@1')

    const large = { campaign: campaign(3), idempotency_key: 'large' }
    expect((await agent.use('xee_validate', { campaign: large.campaign })).data.affordable).toBe(false)
    expect((await agent.use('xee_submit', large)).data).toMatchObject({ code: 'budget_exceeded' })
    const small = { campaign: campaign(2), idempotency_key: 'small' }
    const { campaignId: campaign_id } = (await agent.use('xee_submit', small)).data
    const again = { ...small, idempotency_key: 'once more' }
    expect((await agent.use('xee_submit', again)).data).toMatchObject({ code: 'budget_exceeded' })

    let state = 'running'
    for (let after = '0-0'; state === 'running'; ) {
      const { data } = await agent.use('xee_wait', { campaign_id, after, timeout_s: 50 })
      ;({ state, nextAfter: after } = data)
    }
    expect(state).toBe('finished')
    await agent.close()

    const other = await agentOf(grid.url, String(key))
    const { rows } = (await other.use('xee_results', { campaign_id })).data
    expect(rows.length).toBe(2)
    const [a, b] = rows.map(({ experimentId }: { experimentId: string }) => experimentId)
    expect((await other.use('xee_compare', { campaign_id, a, b })).data).toMatchObject({
      ...{ verdict: 'too_few_pairs', difference: { n: 1, mean: rows[0].mean - rows[1].mean } },
    })
    const note = {
      campaign_id,
      kind: 'insight',
      text: 'The first is better on one seed.',
      evidence: [a, b],
      idempotency_key: 'note',
    }
    expect((await other.use('xee_note', note)).data).toMatchObject({ kind: 'insight', evidence: [a, b] })
    const report = (await other.use('xee_report', { campaign_id })).data.untrusted
    expect(report).toContain(`1. ${rows[0].mean} ± — (n=1) ${a}`)
    expect(report).toContain('baseline')
    await other.close()
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})
