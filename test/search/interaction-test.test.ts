// "Does the best X depend on Y?", answered on fresh seeds.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import { INTERACTION_FIRST_SEED, PAIRS_MAX, PAIRS_MIN } from '#protocol/limits.ts'
import {
  chooseCells,
  firstTest,
  type InteractionTest,
  interactionFault,
  judgeInteraction,
  missingCells,
} from '#search/interaction-test.ts'
import { planCampaign } from '#search/plan.ts'
import type { RunOutcome } from '#search/promotion.ts'
import { streamOf } from '#search/stream.ts'
import { fileOf, manifest } from '#support/spaces.ts'

const asked = { best: 'lr', by: 'width' }
const screened = (...rows: [lr: number, width: number, value: number][]) =>
  rows.map(([lr, width, screening]) => ({
    id: `${lr} ${width}`,
    recipe: { lr, width, decay: lr },
    screening,
  }))
const settle = (recipe: Recipe): Recipe => recipe

describe('what there is to compare', () => {
  test('is the best of each outermost level, and either with the other’s choice: the rest stays as it is there', () => {
    const rows = screened([1, 16, 3], [2, 16, 2], [2, 32, 9], [1, 64, 1], [2, 64, 2])
    const { lr: a, decay: p } = { lr: 2, decay: 2 }
    expect(chooseCells(asked, rows, { goal: 'minimize', settle })).toEqual({
      type: 'cells',
      cells: [
        { lr: a, width: 16, decay: p },
        { lr: 1, width: 64, decay: 1 },
        { lr: 1, width: 16, decay: p },
        { lr: a, width: 64, decay: 1 },
      ],
    })
    expect(chooseCells(asked, rows, { goal: 'maximize', settle })).toMatchObject({
      cells: [
        { lr: 1, width: 16 },
        { lr: 2, width: 64 },
        { lr: 2, width: 16 },
        { lr: 1, width: 64 },
      ],
    })
  })

  test.each([
    [
      'the same choice',
      screened([1, 16, 1], [2, 16, 2], [1, 64, 1]),
      settle,
      'same_choice',
      /lr=1 is best at/,
    ],
    [
      'one level only',
      screened([1, 16, 1], [2, 16, 2]),
      settle,
      'not_measured',
      /fewer than two values of width/,
    ],
    [
      ...(['what the kernel refuses', screened([1, 16, 1], [2, 64, 2])] as const),
      (recipe: Recipe) => (recipe.lr === 2 ? 'lr is too high there' : recipe),
      ...(['not_measured', /too high there/] as const),
    ],
  ] as const)('is nothing with %s', (_, rows, by, state, why) => {
    const chosen = chooseCells(asked, rows, { goal: 'minimize', settle: by })
    expect(chosen).toEqual({ type: 'settled', state, why: expect.stringMatching(why) })
  })
})

const rules = { effect: 1, alpha: 0.05, beta: 0.05, runs: 4 * PAIRS_MAX }
const CELLS = ['a', 'b', 'c', 'd']

/** Runs the test to its end where exchanging costs so much; gives the answer and how many seeds it took. */
function answered(cost: number, seed: number, { runs = rules.runs, broken = -1 } = {}) {
  const outcomes = new Map<string, Map<number, RunOutcome>>(CELLS.map(id => [id, new Map()]))
  const created = new Map<string, Set<number>>(CELLS.map(id => [id, new Set([0, 1])]))
  const facts = { runs: outcomes, created, rules: { ...rules, goal: 'minimize' as const, seeds: 2 } }
  let state: InteractionTest = firstTest(CELLS, 1)
  for (let round = 0; round < 20; round++) {
    for (const { id, seedIndex } of missingCells(state, created)) {
      const stream = streamOf(seed, seedIndex * 4 + CELLS.indexOf(id))
      const value = 3 + (seedIndex % 7) + stream.normal() / Math.SQRT2 + (id > 'b' ? cost / 2 : 0)
      const isBroken = seedIndex - INTERACTION_FIRST_SEED === broken && id === 'c'
      outcomes.get(id)?.set(seedIndex, isBroken ? { state: 'diverged' } : { state: 'ok', value })
      created.get(id)?.add(seedIndex)
    }
    const judged = judgeInteraction(state, { ...rules, runs }, facts)
    if (judged.seedsNext === null) return { ...judged, seedsAsked: state.seedsAsked, facts, test: state }
    state = { ...state, seedsAsked: judged.seedsNext }
  }
  throw new Error('it does not end')
}

describe('the answer', () => {
  test('is rarely wrong: of a thousand questions without an effect, and of a thousand with it', () => {
    const shareOf = (cost: number, state: string) =>
      Array.from({ length: 1000 }, (_, i) => answered(cost, i + 1)).filter(each => each.state === state)
        .length / 1000
    expect(shareOf(0, 'depends')).toBeLessThan(0.05)
    expect(shareOf(2, 'depends')).toBeGreaterThan(0.95)
    expect(shareOf(0, 'no_dependence')).toBeGreaterThan(0.6)
  })

  test('never costs more than its runs, nor 64 seeds; a seed without a value in a cell says nothing', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 2, noNaN: true }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 4 * PAIRS_MIN, max: 4 * PAIRS_MAX }),
        fc.integer({ min: -1, max: 10 }),
        (cost, seed, runs, broken) => {
          const { seedsAsked, costs, state, facts } = answered(cost, seed, { runs, broken })
          expect(4 * seedsAsked).toBeLessThanOrEqual(runs)
          expect(['depends', 'no_dependence', 'undecided']).toContain(state)
          expect(costs.length).toBe(seedsAsked - (broken >= 0 && broken < seedsAsked ? 1 : 0))
          expect(
            [...(facts.created.get('a') ?? [])].filter(each => each >= INTERACTION_FIRST_SEED),
          ).toHaveLength(seedsAsked)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('falls with a result that is withdrawn, and waits for it', () => {
    const { facts, test: last, state } = answered(2, 5)
    expect(state).toBe('depends')
    facts.runs.get('d')?.delete(INTERACTION_FIRST_SEED + 1)
    expect(judgeInteraction(last, rules, facts)).toMatchObject({
      state: 'running',
      seedsNext: null,
      costs: { length: 1 },
    })
  })
})

describe('a campaign file', () => {
  const space = { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] }, decay: { float: [0, 1] } }
  const interaction = { best: 'lr', by: 'width', effect: 0.1, alpha: 0.05, beta: 0.05, runs: 256 }
  const replicate = { quorum: 2, seeds: 2, policy: 'adaptive' as const }
  const file = { ...fileOf({ space, sampler: { name: 'random' } }), interaction, replicate }

  test('that asks is searched, so that cells can be added, and its runs are whole', () => {
    expect(planCampaign(file, manifest)).toMatchObject({ ok: true, isSearched: true, pruner: 'none' })
  })

  test.each([
    [
      { interaction: { ...interaction, best: 'heads' } },
      'interaction.best: the campaign does not vary heads',
    ],
    [{ interaction: { ...interaction, by: 'decay' } }, 'interaction.by: decay has no levels that repeat'],
    [{ replicate: { ...replicate, seeds: 1 } }, 'replicate.seeds'],
  ])('that asks what cannot be answered is refused: %j', (changes, detail) => {
    expect(interactionFault({ ...file, ...changes })).toContain(detail)
    expect(planCampaign({ ...file, ...changes }, manifest)).toMatchObject({
      ok: false,
      code: 'campaign_invalid',
    })
  })
})
