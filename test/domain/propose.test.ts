import { expect, test } from 'vitest'
import { judgeProposals } from '#domain/propose.ts'
import type { EngineClass } from '#protocol/engine.ts'
import type { Recipe } from '#protocol/job.ts'
import { calmManifest, manifest } from '#support/spaces.ts'

const judge = (recipes: readonly Recipe[], remaining = 9, changes: object = {}) =>
  judgeProposals(recipes, {
    ...{ manifest, file: { recipe: { width: 32 } }, remaining, ...changes },
    experimentOf: ({ lr }) => (lr === 0.5 ? 'e_known' : undefined),
  }).map(proposed => [proposed.outcome, 'detail' in proposed ? proposed.detail : proposed.recipe.lr])

test.each([
  ['one that is new is completed', [{ lr: 0.1 }], [['new', 0.1]]],
  ['what the campaign fixes may be repeated', [{ lr: 0.1, width: 32 }], [['new', 0.1]]],
  ['but not contradicted', [{ lr: 0.1, width: 64 }], [['refused', 'width: the campaign fixes it at 32']]],
  ['the kernel’s bounds hold', [{ lr: 9 }], [['refused', 'lr: 9 is outside 0.00001…1']]],
  ['and its names', [{ warmth: 1 }], [['refused', 'warmth: the kernel has no such parameter']]],
  ['what the campaign has is known', [{ lr: 0.5 }], [['known', 0.5]]],
])('%s', (_, recipes, expected) => {
  expect(judge(recipes)).toEqual(expected)
})

test('the runs that are left are given in order; a repeated recipe takes none, nor does a known one', () => {
  const recipes = [{ lr: 0.1 }, { lr: 0.1 }, { lr: 0.5 }, { lr: 0.2 }, { lr: 0.3 }]
  expect(judge(recipes, 2)).toEqual([
    ['new', 0.1],
    ['new', 0.1],
    ['known', 0.5],
    ['new', 0.2],
    ['refused', 'budget.runs: the campaign has no run left for it'],
  ])
})

test('one on which devices would not agree is refused where every class has a tolerance, and only there', () => {
  const among = (...engines: EngineClass[]) => {
    const campaign = { manifest: calmManifest, file: { recipe: {}, engines } }
    return judge([{ lr: 0.2 }, { lr: 0.3 }], 9, campaign)
  }
  const why = 'lr 0.3: devices agree on rates up to 0.2'
  expect(among('onnx-cpu', 'onnx-cuda')).toEqual([
    ['new', 0.2],
    ['refused', why],
  ])
  for (const exact of ['wasm', 'onnx-wasm'] as const)
    expect(among('onnx-cpu', exact)).toEqual([
      ['new', 0.2],
      ['new', 0.3],
    ])
})
