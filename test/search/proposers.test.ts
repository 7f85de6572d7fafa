// Several proposers in one campaign: whom the budget goes to, and that every choice can be made again.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import { OUTSIDE, type Proposer } from '#protocol/space.ts'
import { newPromotions, promotedIn, sharesOf, standingsOf } from '#search/bandit.ts'
import { searchOf } from '#search/campaign-search.ts'
import { type History, historyAt, type Outcome, type Promotion, type Trial } from '#search/history.ts'
import { planCampaign } from '#search/plan.ts'
import type { Search } from '#search/propose.ts'
import { searchState } from '#search/state.ts'
import { testIds } from '#support/builders.ts'
import { fileOf, manifest } from '#support/spaces.ts'

const space = {
  lr: { log: [0.0001, 0.1] },
  width: { choice: [16, 32, 64] },
  decay: { float: [0, 1], when: 'width > 16' },
}

const fileWith = (sampler: object) => ({
  ...fileOf({ space, runs: 400, sampler: { seed: 11, ...sampler } }),
  replicate: { quorum: 2, seeds: 2, policy: 'adaptive' as const },
  stop: { sprt: { effect: 0.1, alpha: 0.05, beta: 0.05 } },
})

function searchWith(sampler: object): Search {
  const search = searchOf(fileWith(sampler), manifest)
  if (!search.ok) throw new Error(search.detail)
  return search
}

const MANY = { name: 'tpe', beside: ['random', 'evolution', OUTSIDE] }
const lossOf = (recipe: Recipe): number =>
  (Math.log10(Number(recipe.lr)) + 2) ** 2 + Number(recipe.width) / 64

interface Growing {
  readonly trials: Trial[]
  readonly reports: { ordinal: number; outcome: Outcome }[]
  readonly promotions: Promotion[]
}

/** What happens between two asks. */
interface Step {
  readonly asked: number
  readonly reported: number
  readonly promoted: number
  readonly waiting: number
  readonly fails: boolean
}

function told(search: Search, steps: readonly Step[]): Growing {
  const history: Growing = { trials: [], reports: [], promotions: [] }
  for (const [i, step] of steps.entries()) {
    const waiting = Array.from({ length: step.waiting }, (_, k) => ({
      ...{ lr: 0.0002 + i / 1000 + k / 10_000, width: 32, decay: 0.5, heads: 2, act: 'gelu' },
    }))
    const { proposals } = search.ask(history, step.asked, waiting)
    history.trials.push(...proposals)
    const open = history.trials.flatMap((_, n) =>
      history.reports.some(({ ordinal }) => ordinal === n) ? [] : [n],
    )
    for (const ordinal of open.slice(0, step.reported)) {
      const value = lossOf(history.trials[ordinal]?.recipe ?? {})
      history.reports.push({
        ordinal,
        outcome: step.fails ? { state: 'failed' } : { state: 'finished', value },
      })
    }
    const known = history.reports.map(({ ordinal }) => ordinal)
    const standing = known.filter(ordinal => (ordinal * 7 + i) % 5 < step.promoted) // some are withdrawn again
    history.promotions.push(...newPromotions(history.promotions, standing))
  }
  return history
}

const steps = fc.array(
  fc.record({
    ...{ asked: fc.integer({ min: 0, max: 4 }), reported: fc.integer({ min: 0, max: 5 }) },
    ...{
      promoted: fc.integer({ min: 0, max: 2 }),
      waiting: fc.integer({ min: 0, max: 3 }),
      fails: fc.boolean(),
    },
  }),
  { maxLength: 8 },
)

describe('several proposers', () => {
  test('every proposal and every choice of a proposer can be made again from what was told', () => {
    fc.assert(
      fc.property(steps, plan => {
        const history = told(searchWith(MANY), plan)
        const search = searchWith(MANY)
        for (const [ordinal, { recipe, proposer }] of history.trials.entries()) {
          const waiting = proposer === OUTSIDE ? [recipe] : []
          const [again] = search.ask(historyAt(history, ordinal), 1, waiting).proposals
          expect([again?.proposer, again?.recipe]).toEqual([proposer, recipe])
        }
      }),
      { numRuns: 40 },
    )
  })

  test('shares add up to one, and everybody has some, whatever came of their experiments', () => {
    const count = fc.integer({ min: 0, max: 300 })
    const standing = fc.record({ tried: count, promoted: fc.integer({ min: 0, max: 20 }), pending: count })
    fc.assert(
      fc.property(fc.array(standing, { minLength: 1, maxLength: 7 }), counts => {
        const names: Proposer[] = ['tpe', 'random', 'sobol', 'cmaes', 'gp', 'evolution', OUTSIDE]
        const standings = counts.map(({ tried, promoted, pending }, i) => ({
          ...{ name: names[i] ?? 'tpe', tried, promoted: Math.min(promoted, tried), pending },
        }))
        const shares = [...sharesOf(standings).values()]
        expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9)
        expect(Math.min(...shares)).toBeGreaterThan(0)
        expect(sharesOf(standings)).toEqual(sharesOf(standings))
      }),
      { numRuns: 50 },
    )
  })

  test('who has nothing to give leaves the turn to the next; what waits is taken in order, once, and in its share', () => {
    const history: History = { trials: [], reports: [] }
    const none = searchWith(MANY).ask(history, 60)
    expect(none.ok && none.proposals.filter(({ proposer }) => proposer === OUTSIDE)).toEqual([])
    expect(none.proposals).toHaveLength(60)
    const flood = Array.from({ length: 1000 }, (_, i) => ({ lr: 0.001 + i / 1e5, width: 16 }))
    const { proposals } = searchWith(MANY).ask(history, 60, flood)
    const outside = proposals.filter(({ proposer }) => proposer === OUTSIDE).map(({ recipe }) => recipe)
    expect(outside).toEqual(flood.slice(0, outside.length))
    expect(outside.length).toBeGreaterThan(5)
    expect(outside.length).toBeLessThan(30) // of four proposers nobody knows anything of yet
  })

  test('what a sampler proposes in the same batch is not taken again from what waits', () => {
    const first = searchWith(MANY).ask({ trials: [], reports: [] }, 40)
    const recipes = first.proposals.map(({ recipe }) => recipe)
    const { proposals } = searchWith(MANY).ask({ trials: [], reports: [] }, 60, recipes)
    const keys = proposals.map(({ recipe }) => JSON.stringify(recipe))
    expect(new Set(keys).size).toBe(60)
  })

  test('who always fails keeps a little, and who is promoted gets most', () => {
    const names: Proposer[] = ['tpe', 'random']
    const trials = Array.from({ length: 200 }, (_, i) => ({
      ...{ recipe: { lr: i }, asked: 0, proposer: names[i % 2] },
    }))
    const reports = trials.map((_, ordinal): { ordinal: number; outcome: Outcome } => ({
      ordinal,
      outcome: ordinal % 2 === 1 ? { state: 'failed' } : { state: 'finished', value: 1 },
    }))
    const promotions = Array.from({ length: 8 }, (_, i) => ({ ordinal: 2 * i, stands: true }))
    const standings = standingsOf(names, { trials, reports, promotions })
    expect(standings).toEqual([
      { name: 'tpe', tried: 100, promoted: 8, pending: 0 },
      { name: 'random', tried: 100, promoted: 0, pending: 0 },
    ])
    const shares = sharesOf(standings)
    expect(shares.get('tpe')).toBeGreaterThan(0.9)
    expect(shares.get('random')).toBeGreaterThan(0.03)
  })

  test('a promotion that was withdrawn stands no more, and is told once', () => {
    const known = [{ ordinal: 3, stands: true }]
    expect(newPromotions(known, [3])).toEqual([])
    const more = newPromotions(known, [7])
    expect(more).toEqual([
      { ordinal: 3, stands: false },
      { ordinal: 7, stands: true },
    ])
    expect(promotedIn({ promotions: [...known, ...more] })).toEqual(new Set([7]))
  })

  test('a proposer that a revision adds begins with nothing, and what one that it drops proposed stays in the history', () => {
    const history = told(searchWith(MANY), [
      { asked: 4, reported: 4, promoted: 1, waiting: 0, fails: false },
      { asked: 4, reported: 4, promoted: 1, waiting: 0, fails: false },
    ])
    const revised = searchWith({ name: 'tpe', beside: ['gp'] })
    const { proposals } = revised.ask(history, 30)
    expect(new Set(proposals.map(({ proposer }) => proposer))).toEqual(new Set(['tpe', 'gp']))
    expect(standingsOf(['gp'], history)).toEqual([{ name: 'gp', tried: 0, promoted: 0, pending: 0 }])
    const known = new Set(history.trials.map(({ recipe }) => JSON.stringify(recipe)))
    expect(proposals.filter(({ recipe }) => known.has(JSON.stringify(recipe)))).toEqual([])
  })
})

describe('a campaign file', () => {
  test.each([
    [{ name: 'tpe', beside: ['tpe'] }, 'sampler.name is one of them already'],
    [{ name: 'grid', beside: ['random'] }, 'a grid is walked'],
    [{ name: 'tpe', beside: ['random', 'random'] }, 'each is named once'],
    [{ name: 'tpe', beside: ['grid'] }, 'Invalid option'],
    [{ name: 'tpe', beside: [] }, 'Too small'],
  ])('with the proposers %j is refused: %s', (sampler, message) => {
    expect(() => fileWith(sampler)).toThrow(message)
  })

  test('whose budget is shared by promotions must test them; then also plain random draws are searched', () => {
    const file = fileWith({ name: 'random', beside: ['sobol'] })
    const { stop: _, ...untested } = file
    expect(planCampaign(untested, manifest)).toMatchObject({
      ...{ ok: false, code: 'campaign_invalid', detail: expect.stringContaining('sampler.beside') },
    })
    expect(planCampaign(file, manifest)).toMatchObject({ ok: true, isSearched: true })
  })
})

describe('a campaign with one proposer', () => {
  // Of forty proposals of each sampler, as they were before there could be several.
  test.each([
    ['random', 'fc4fbf7d7d1cd6c9'],
    ['sobol', '4172d15a82e9f287'],
    ['tpe', 'cf3e3b0433506a79'],
    ['cmaes', 'a92fc18136ae37c2'],
    ['gp', 'fa9c8239955244cb'],
    ['evolution', 'abe7916f20159a4d'],
  ])('%s proposes what it always did', (name, digest) => {
    const search = searchWith({ name })
    const trials: Trial[] = []
    const reports: { ordinal: number; outcome: Outcome }[] = []
    for (let batch = 0; batch < 10; batch++) {
      const { proposals } = search.ask({ trials, reports }, 4)
      for (const { recipe, asked } of proposals) trials.push({ recipe, asked })
      for (const { recipe, ordinal } of proposals)
        reports.push({ ordinal, outcome: { state: 'finished', value: lossOf(recipe) } })
    }
    expect(createHash('sha256').update(JSON.stringify(trials)).digest('hex').slice(0, 16)).toBe(digest)
  })

  test('says nothing of turns; one with several says whose turn it is, how often, and what waits', () => {
    const trial = { id: testIds.experiment(0 as never), isOutside: false, recipe: { lr: 0.01 }, asked: 0 }
    const trials = [{ ...trial, proposer: 'random' as const }]
    const promotions = [{ ordinal: 0, stands: true }]
    const reports = [{ ordinal: 0, outcome: { state: 'finished', value: 1 } as const }]
    const known = { history: { trials, reports, promotions }, limit: undefined, waiting: 3 }
    expect(Object.keys(searchState(fileWith({ name: 'tpe' }), manifest, known) ?? {})).not.toContain(
      'proposers',
    )
    const view = searchState(fileWith(MANY), manifest, known)
    expect(view?.waiting).toBe(3)
    expect(view?.proposers?.map(({ name, tried, promoted }) => [name, tried, promoted])).toEqual([
      ...[
        ['tpe', 0, 0],
        ['random', 1, 1],
        ['evolution', 0, 0],
      ],
      [OUTSIDE, 0, 0],
    ])
  })
})
