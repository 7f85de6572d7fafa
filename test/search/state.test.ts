// What a sampler knows, as people and agents read it.

import { expect, test } from 'vitest'
import { KernelManifest } from '#protocol/kernel.ts'
import { SearchView } from '#protocol/search.ts'
import { ExperimentId } from '#protocol/units.ts'
import type { Outcome } from '#search/history.ts'
import { type RecordedTrial, searchState } from '#search/state.ts'
import { testIds } from '#support/builders.ts'
import { fileOf, manifest } from '#support/spaces.ts'

const trial = (recipe: RecordedTrial['recipe'], isOutside = false): RecordedTrial => ({
  ...{ id: ExperimentId.parse(testIds.experiment(0 as never)), recipe, asked: 0, isOutside },
})
const finished = (value: number): Outcome => ({ state: 'finished', value })

const space = {
  act: { choice: ['gelu', 'relu'] },
  decay: { float: [0, 1], when: 'act == "relu"' },
  lr: { log: [0.0001, 0.1] },
}
const history = {
  trials: [
    trial({ lr: 0.001, act: 'gelu', decay: 0 }),
    trial({ lr: 0.01, act: 'relu', decay: 0.5 }, true),
    trial({ lr: 0.02, act: 'relu', decay: 0.25 }),
    trial({ lr: 0.1, act: 'gelu', decay: 0 }),
    trial({ lr: 0.03, act: 'gelu', decay: 0 }),
  ],
  reports: [
    { ordinal: 0, outcome: finished(1) }, // retracted below
    { ordinal: 1, outcome: finished(2) },
    { ordinal: 2, outcome: finished(2.5) },
    { ordinal: 3, outcome: { state: 'diverged' } },
    { ordinal: 0, outcome: finished(3) },
  ] as const,
}

const stateOf = (goal: 'minimize' | 'maximize', limit?: number) =>
  searchState(
    fileOf({ space, runs: 9, sampler: { name: 'tpe' }, metric: { name: 'val_bpb', goal } }),
    { ...manifest, metric: { ...manifest.metric, goal } },
    { history, limit },
  )

test('the last report of each counts, inactive parameters are left out, and what has no outcome is pending', () => {
  const state = SearchView.parse(stateOf('minimize'))
  expect(state.experiments).toEqual({
    ...{ planned: 9, created: 5, pending: 1, partial: 0, finished: 3, failed: 0, diverged: 1, outside: 1 },
  })
  expect(state.best.map(({ ordinal, value, values }) => [ordinal, value, values])).toEqual([
    [1, 2, { lr: 0.01, act: 'relu', decay: 0.5 }],
    [2, 2.5, { lr: 0.02, act: 'relu', decay: 0.25 }],
    [0, 3, { lr: 0.001, act: 'gelu' }],
  ])
  expect(state.pending.map(({ ordinal, values }) => [ordinal, values])).toEqual([
    [4, { lr: 0.03, act: 'gelu' }],
  ])
  expect(state.failures).toMatchObject([{ ordinal: 3, outcome: 'diverged' }])
  const parameters = new Map(state.parameters.map(({ name, ...rest }) => [name, rest]))
  expect(parameters.get('act')).toEqual({ covered: 1, bestQuarter: ['relu'], importance: null })
  expect(parameters.get('decay')).toEqual({ covered: 2 / 16, bestQuarter: [0.5, 0.5], importance: null })
  expect(parameters.get('lr')?.bestQuarter).toEqual([0.01, 0.01])
})

test('when the most is the best, it comes first, and lists are as long as asked', () => {
  const best = stateOf('maximize', 2)?.best
  expect(best?.map(({ ordinal }) => ordinal)).toEqual([0, 2])
})

test('what was known in advance has no state', () => {
  const file = fileOf({ space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'random' } })
  expect(searchState(file, manifest, { history, limit: undefined })).toBeUndefined()
})

test('it fits 2,000 tokens of four characters also with 32 parameters and 500 experiments', () => {
  const names = Array.from({ length: 32 }, (_, i) => `parameter_${i}`)
  const properties = Object.fromEntries(
    names.map(name => [name, { type: 'number', minimum: 0, maximum: 1, default: 0 }]),
  )
  const wide = KernelManifest.parse({ ...manifest, recipe: { ...manifest.recipe, properties }, rules: [] })
  const file = fileOf({
    ...{ runs: 500, sampler: { name: 'tpe' } },
    space: Object.fromEntries(names.map(name => [name, { float: [0, 1] }])),
  })
  const value = (i: number, k: number): number => ((i * 7919 + k * 104_729) % 999_983) / 1e6
  const trials = Array.from({ length: 500 }, (_, i) =>
    trial(Object.fromEntries(names.map((name, k) => [name, value(i, k)]))),
  )
  const reports = trials.slice(0, 400).map((_, ordinal) => ({
    ordinal,
    outcome: ordinal % 50 === 7 ? ({ state: 'failed' } as const) : finished(value(ordinal, 40)),
  }))
  const state = searchState(file, wide, { history: { trials, reports }, limit: undefined })
  expect(state?.best).toHaveLength(1)
  expect(state?.parameters).toHaveLength(32)
  expect(JSON.stringify(state).length).toBeLessThan(8000)
})
