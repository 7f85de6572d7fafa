import { expect, test } from 'vitest'
import { revise } from '#domain/revision.ts'
import { CampaignFile } from '#protocol/campaign.ts'

const FILE = {
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs: 10, credits: 5 },
  ...{ space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'random', seed: 1 } },
}
const decide = (changes: object, created = 4) =>
  revise(CampaignFile.parse(FILE), CampaignFile.parse({ ...FILE, ...changes }), { created })

test.each<[string, object, boolean]>([
  ['a title', { title: 'Which learning rate?' }, false],
  ['more runs and credits', { budget: { ...FILE.budget, runs: 20, credits: 9 } }, false],
  ['fewer runs, as many as there are', { budget: { ...FILE.budget, runs: 4 } }, false],
  ['another end', { ends_by: '2030-01-01T00:00:00.000Z' }, false],
  ['another space', { space: { lr: { log: [0.01, 0.1] } } }, true],
  ['a constraint', { constraints: ['lr > 0.01'] }, true],
  [
    'who proposes beside the sampler',
    { sampler: { name: 'random', seed: 1, beside: ['tpe', 'propose'] } },
    true,
  ],
])('%s may be revised; the space is another: %#', (_what, changes, respaced) => {
  expect(decide(changes)).toEqual({ ok: true, respaced })
})

test.each<[object, string]>([
  [{ kernel: 'tiny@1' }, 'kernel'],
  [{ data: 'fox@2' }, 'data'],
  [{ metric: { name: 'val_bpb', goal: 'maximize' } }, 'metric'],
  [{ recipe: { width: 32 } }, 'recipe'],
  [{ replicate: { seeds: 3 } }, 'replicate'],
  [{ sampler: { name: 'random', seed: 2 } }, 'sampler'],
  [{ derived_from: `c_${'1'.repeat(26)}` }, 'derived_from'],
  [{ budget: { ...FILE.budget, fuel_per_run: 2e9 } }, 'budget.fuel_per_run'],
  [{ budget: { updates_per_run: 5, runs: 10, credits: 5 } }, 'budget.'],
  [{ budget: { ...FILE.budget, credits: 4 } }, 'budget.credits'],
  [{ budget: { ...FILE.budget, runs: 3 } }, 'budget.runs'],
  [{}, 'nothing'],
])('%j may not: %s', (changes, named) => {
  const decision = decide(changes)
  expect(decision).toMatchObject({ ok: false })
  expect(decision.ok ? '' : decision.detail).toContain(named)
})
