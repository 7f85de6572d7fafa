// A researcher's day at the command line: a key for a script, a rehearsal, a campaign, what is known of it, and whether it comes out again.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { CampaignView } from '#protocol/campaign.ts'
import { CorpusList, CorpusView, SimilarView } from '#protocol/corpus.ts'
import { DryRun } from '#protocol/dry-run.ts'
import { WaitReply } from '#protocol/events.ts'
import { KeyList, KeyView, NewKey } from '#protocol/keys.ts'
import { ScienceList } from '#protocol/science.ts'
import { AgreementView } from '#protocol/study.ts'

const CAMPAIGN = `
title: Does the rate matter
kernel: charlm@1
data: sotu-tiny@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 1000000000, runs: 2, credits: 1 }
baseline: false
recipe: { context: 16, batch: 4, heads: 1, width: 16, depth: 1 }
space:
  lr: { choice: [0.003, 0.03] }
sampler: { name: grid }
replicate: { quorum: 2, seeds: 1 }
`

test('a key, a rehearsal, a campaign, the corpus, and a study of it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-research-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-tiny@1', XEENET_LOG_LEVEL: 'warn' }
  const grid = await startGrid({ dir, env })
  try {
    await grid.addUser('rosa', 'researcher', 100_000)
    const at = ['--server', grid.url]
    const account = [...at, '--token-file', await grid.tokenFile('rosa', 'campaign')]
    const made = await xeenet(
      [
        'key',
        'create',
        'nightly',
        '--scope',
        'read',
        'campaign',
        '--budget',
        '0.5',
        '--expires',
        '30d',
        ...account,
      ],
      NewKey,
    )
    const keyFile = join(dir, 'key')
    await writeFile(keyFile, `${made.key}\n`, { mode: 0o600 })
    const key = [...at, '--token-file', keyFile]

    const file = join(dir, 'campaign.yaml')
    await writeFile(file, CAMPAIGN)
    const rehearsed = await xeenet(['campaign', 'submit', file, '--dry-run', ...key], DryRun)
    expect(rehearsed.key?.remainingMilli).toBe(500 - rehearsed.setAsideMilli)
    expect(rehearsed.campaign.experiments.planned).toBe(2)
    expect((await xeenet(['key', 'list', ...account], KeyList)).keys).toMatchObject([{ spentMilli: 0 }])
    const { id } = await xeenet(['campaign', 'submit', file, ...key], CampaignView)
    const { keys } = await xeenet(['key', 'list', ...account], KeyList)
    expect(keys).toMatchObject([{ label: 'nightly', budgetMilli: 500, spentMilli: rehearsed.setAsideMilli }])

    for (const name of ['ann', 'bob']) await grid.addUser(name, 'volunteer')
    await Promise.all(['ann', 'bob'].map(name => grid.volunteer(name)))
    await untilFinished(id, at)

    const { runs } = await xeenet(
      ['corpus', 'list', '--campaign', id, '--kernel', 'charlm@1', ...at],
      CorpusList,
    )
    expect(runs.map(({ recipe }) => recipe.lr).toSorted()).toEqual([0.003, 0.03])
    const [{ workUnitId }] = runs as [(typeof runs)[number], ...typeof runs]
    expect(await xeenet(['corpus', 'show', workUnitId, ...at], CorpusView)).toMatchObject({
      run: { campaignId: id },
      retracted: [],
    })
    const near = ['context=16', 'batch=4', 'heads=1', 'width=16', 'depth=1', 'lr=0.004']
    const similar = await xeenet(['corpus', 'similar', ...near, '--kernel', 'charlm@1', ...at], SimilarView)
    expect(similar.neighbours[0]).toMatchObject({ differs: ['lr'], recipe: { lr: 0.003 } })
    expect(similar.novelty).toBeGreaterThan(0)
    const { boards } = await xeenet(['corpus', 'best', '--kernel', 'charlm@1', ...at], ScienceList)
    expect(boards).toHaveLength(1)

    const ids = runs.map(({ resultId }) => resultId)
    const study = await xeenet(['campaign', 'replicate', ...ids, '--credits', '1', ...at], z.looseObject({}))
    const studyFile = join(dir, 'study.yaml')
    await writeFile(studyFile, stringify(study))
    const { id: studyId } = await xeenet(['campaign', 'submit', studyFile, ...account], CampaignView)
    for (const name of ['cat', 'dan']) await grid.addUser(name, 'volunteer')
    await Promise.all(['cat', 'dan'].map(name => grid.volunteer(name)))
    await untilFinished(studyId, at)
    // What leads is shown once the verifier has seen it.
    await expect
      .poll(() => xeenet(['campaign', 'agreement', studyId, ...at], AgreementView), { timeout: 60_000 })
      .toMatchObject({ summary: { originals: 2, agrees: 2, differs: 0, waiting: 0, failed: 0 } })

    await xeenet(['key', 'revoke', made.keyId, ...account], KeyView)
    const refused = launch('submit', [XEENET, 'campaign', 'submit', file, ...key, '--json'])
    expect(await refused.exited, 'no longer a key').toBe(4)
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

/** Follows a campaign by `campaign wait` from its first event to its last. */
async function untilFinished(id: string, at: readonly string[]): Promise<void> {
  for (let after = '0-0'; ; ) {
    const asked = ['campaign', 'wait', id, '--after', after, '--timeout', '60', ...at]
    const { events, state, nextAfter } = await xeenet(asked, WaitReply)
    after = nextAfter
    if (events.some(({ kind }) => kind === 'campaign.finished')) return
    expect(['running', 'finished']).toContain(state)
  }
}
