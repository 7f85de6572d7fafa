import { describe, expect, test } from 'vitest'
import { SAMPLERS, type SamplerFile } from '#protocol/space.ts'
import type { Values } from '#search/expression.ts'
import { type History, historyAt, type Outcome } from '#search/history.ts'
import type { SpaceSource } from '#search/search-space.ts'
import {
  bowl,
  compiled,
  conditional,
  grown,
  nothing,
  proposals,
  searchOver,
  settled,
} from '#support/searches.ts'

const SPACES: Readonly<Record<string, SpaceSource>> = {
  'of every kind': {
    space: {
      lr: { log: [1e-4, 1e-1], points: 5 },
      dropout: { float: [0, 0.5], step: 0.1 },
      width: { int: [16, 1024], step: 16, scale: 'log' },
      act: { choice: ['relu', 'gelu', 'silu'] },
    },
  },
  'with conditions': {
    space: {
      ...conditional.space,
      lr: { log: [1e-3, 1e-1], points: 5 },
      beta: { float: [0.9, 0.99], when: 'opt == "adam"', points: 3 },
      momentum: { float: [0, 0.99], when: "opt == 'sgd'", points: 3 },
    },
  },
  'with constraints': {
    space: { width: { int: [8, 256], step: 8 }, heads: { int: [1, 8] }, depth: { int: [1, 8] } },
    constraints: ['width % heads == 0', 'width * depth <= 512'],
  },
}

/** Some fail, some diverge, some are stopped: whatever happens, the next recipe must come. */
function eventful(values: Values, ordinal: number): Outcome {
  const value = Number(values.lr ?? values.width) + ordinal / 1000
  if (ordinal % 11 === 3) return { state: 'failed' }
  if (ordinal % 11 === 5) return { state: 'diverged' }
  if (ordinal % 11 === 7) return { state: 'finished', value: Number.NaN }
  if (ordinal % 3 === 0) return { state: 'partial', rung: ordinal % 2, value }
  return { state: 'finished', value }
}

const cases = SAMPLERS.flatMap(name => Object.keys(SPACES).map(space => [name, space] as const))

describe.each(cases)('%s in a space %s', (name, spaceName) => {
  const source = SPACES[spaceName]!
  const search = () => searchOver(source, { name, seed: 5 })
  const history = grown(search(), { batches: 8, batch: 6 }, eventful)

  test('never repeats itself and keeps conditions and constraints', () => {
    const texts = history.trials.map(({ recipe }) => JSON.stringify(recipe))
    expect(new Set(texts).size).toBe(48)
    const space = compiled(source)
    for (const { recipe } of history.trials) expect(settled(space, space.encode(recipe))).toEqual(recipe)
  })

  test('replays: the history at each ask gives the same proposal again', () => {
    // Every fifth, so that those before it in its batch are pending or not.
    for (let ordinal = 2; ordinal < history.trials.length; ordinal += 5) {
      const [again] = proposals(search(), historyAt(history, ordinal), 1)
      expect(again?.recipe).toEqual(history.trials[ordinal]?.recipe)
    }
  })

  test('a batch is the same as one by one, and goes on with hundreds in flight', () => {
    const batch = proposals(search(), history, 12)
    const trials = [...history.trials]
    for (const { recipe, asked, ordinal } of batch.slice(0, 11)) {
      expect([ordinal, asked]).toEqual([trials.length, history.reports.length])
      trials.push({ recipe, asked })
    }
    const [last] = proposals(search(), { trials, reports: history.reports }, 1)
    expect(last).toEqual(batch[11])
  })

  test('another seed searches elsewhere, unless it is a grid', () => {
    const [first, other] = [5, 6].map(seed => proposals(searchOver(source, { name, seed }), nothing(), 5))
    if (name === 'grid') expect(other).toEqual(first)
    else expect(other).not.toEqual(first)
  })
})

describe.each(['tpe', 'cmaes', 'gp', 'evolution'] as const)('%s learns', name => {
  const sampler: SamplerFile = { name, seed: 3 }
  const best = (losses: readonly number[]): number => Math.min(...losses)

  test('where parameters are conditional: 40 trials in batches of four leave less than two thirds of what chance leaves', () => {
    const tree = compiled(conditional)
    const regret = (file: SamplerFile): number =>
      best(
        grown(searchOver(conditional, file), { batches: 10, batch: 4 }, values => ({
          state: 'finished',
          value: bowl(values),
        })).trials.map(({ recipe }) => bowl(settled(tree, tree.encode(recipe))!)),
      )
    const median = (file: SamplerFile): number =>
      [1, 2, 3].map(seed => regret({ ...file, seed })).sort((a, b) => a - b)[1]!
    expect(median(sampler)).toBeLessThan((median({ name: 'random', seed: 0 }) * 2) / 3)
  })

  test('to maximise what it would minimise with the other sign', () => {
    const run = (goal: 'minimize' | 'maximize', sign: number) =>
      grown(searchOver(conditional, sampler, goal), { batches: 10, batch: 3 }, values => ({
        state: 'finished',
        value: sign * bowl(values),
      })).trials
    expect(run('maximize', -1)).toEqual(run('minimize', 1))
  })

  test('to keep away from where runs diverge', () => {
    const source: SpaceSource = { space: { lr: { float: [0, 1] }, x: { float: [0, 1] } } }
    const history = grown(searchOver(source, sampler), { batches: 40, batch: 1 }, ({ lr, x }) =>
      Number(lr) > 0.5 ? { state: 'diverged' } : { state: 'finished', value: (Number(x) - 0.5) ** 2 },
    )
    const late = history.trials.slice(20).filter(({ recipe }) => Number(recipe.lr) > 0.5).length
    expect(late).toBeLessThan(7)
  })

  test('goes on when every run fails', () => {
    const history = grown(searchOver(conditional, sampler), { batches: 10, batch: 4 }, () => ({
      state: 'failed',
    }))
    expect(history.trials).toHaveLength(40)
  })
})

test.each(['tpe', 'gp'] as const)(
  '%s takes pending trials for bad or mediocre ones, and looks elsewhere',
  name => {
    const source: SpaceSource = { space: { x: { float: [0, 1] }, y: { float: [0, 1] } } }
    const distance = ({ x, y }: Values): number => Math.hypot(Number(x) - 0.3, Number(y) - 0.7)
    const history = grown(searchOver(source, { name, seed: 1 }), { batches: 40, batch: 1 }, values => ({
      state: 'finished',
      value: distance(values) ** 2,
    }))
    const inFlight = Array.from({ length: 40 }, (_, i) => ({
      recipe: { x: 0.3 + 0.05 * Math.cos(i), y: 0.7 + 0.05 * Math.sin(i) },
      asked: history.reports.length,
    }))
    const meanDistance = (trials: History['trials']): number => {
      const found = Array.from({ length: 8 }, (_, seed) =>
        proposals(searchOver(source, { name, seed }), { trials, reports: history.reports }, 1),
      ).flat()
      return found.reduce((sum, { values }) => sum + distance(values), 0) / found.length
    }
    expect(meanDistance([...history.trials, ...inFlight])).toBeGreaterThan(1.5 * meanDistance(history.trials))
  },
)

describe('a space that has no more to give', () => {
  test.each(SAMPLERS)('ends %s with what it found and space_too_small', name => {
    const source: SpaceSource = { space: { a: { int: [1, 4] }, b: { choice: ['x', 'y', 'z'] } } }
    const reply = searchOver(source, { name, seed: 2 }).ask(nothing(), 20)
    expect(reply).toMatchObject({
      ok: false,
      code: 'space_too_small',
      detail: 'experiment 12: the space has 12 points',
    })
    expect(new Set(reply.proposals.map(({ recipe }) => JSON.stringify(recipe))).size).toBe(12)
  })

  test.each(SAMPLERS)('ends %s with space_too_constrained after 1,000 draws', name => {
    const source: SpaceSource = {
      space: { a: { float: [0, 1], points: 9 }, b: { int: [1, 4] } },
      constraints: ['a > 1'],
    }
    expect(searchOver(source, { name, seed: 2 }).ask(nothing(), 1)).toEqual({
      ok: false,
      code: 'space_too_constrained',
      detail: `experiment 0: 1000 draws were refused; the last reason: ${name === 'grid' ? 'every recipe was tried' : 'constraints.0 does not hold'}`,
      proposals: [],
    })
  })
})

describe('a grid', () => {
  test('takes each combination of active parameters once', () => {
    const source = SPACES['with conditions']!
    const reply = searchOver(source, { name: 'grid', seed: 0 }).ask(nothing(), 1000)
    // depth 5 · lr 5 · (adam: beta 3; sgd: momentum 0, 0.495 or 0.99, the last with nesterov or without)
    expect(reply.proposals).toHaveLength(5 * 5 * (3 + 4))
    expect(reply.ok).toBe(false)
  })

  test('goes on with the first combination that nobody has proposed', () => {
    const source: SpaceSource = { space: { a: { int: [1, 3] }, b: { int: [1, 2] } } }
    const agents = [
      { recipe: { a: 3, b: 2 }, asked: 0 },
      { recipe: { a: 1, b: 1 }, asked: 0 },
    ]
    const reply = searchOver(source, { name: 'grid', seed: 0 }).ask({ trials: agents, reports: [] }, 9)
    expect(reply.proposals.map(({ values }) => [values.a, values.b])).toEqual([
      [1, 2],
      [2, 1],
      [2, 2],
      [3, 1],
    ])
  })
})
