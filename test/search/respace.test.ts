import { describe, expect, test } from 'vitest'
import { CampaignFile } from '#protocol/campaign.ts'
import type { Recipe } from '#protocol/job.ts'
import { planCampaign } from '#search/plan.ts'
import { hasRoom, nextSpace, type RevisedHistory } from '#search/respace.ts'
import { streamOf } from '#search/stream.ts'
import { manifest } from '#support/spaces.ts'

const fileOf = (agent: unknown, more: object = {}) =>
  CampaignFile.parse({
    ...{
      title: 'test',
      kernel: 'charlm@1',
      data: 'sotu-small@1',
      metric: { name: 'val_bpb', goal: 'minimize' },
    },
    budget: { runs: 100, credits: 1, fuel_per_run: 1e9 },
    space: { lr: { log: [0.001, 0.1] }, decay: { float: [0, 1] }, heads: { int: [1, 4] } },
    sampler: { name: 'tpe', seed: 1 },
    stop: { prune: 'none' },
    ...{ agent, ...more },
  })

/** `count` even draws of the space with their losses. */
function history(
  loss: (recipe: Recipe) => number,
  { count = 40, revision = 1, seed = 1 } = {},
): RevisedHistory {
  const stream = streamOf(seed, 0)
  const recipes = Array.from({ length: count }, () => ({
    lr: 0.001 * 100 ** stream.uniform(),
    decay: stream.uniform(),
    heads: 1 + stream.below(4),
  }))
  return {
    trials: recipes.map((recipe, i) => ({ id: `e_${i}`, recipe, asked: 0, revision })),
    reports: recipes.map((recipe, ordinal) => ({
      ordinal,
      outcome: { state: 'finished', value: loss(recipe) },
    })),
  }
}

const far = (name: string, goal: number) => (recipe: Recipe) => Math.abs(Number(recipe[name]) - goal)
const logFar = (goal: number) => (recipe: Recipe) => Math.abs(Math.log10(Number(recipe.lr)) - goal)
const spaceAfter = (file: CampaignFile, told: RevisedHistory, revision = 1) =>
  nextSpace(file, revision, told)?.file.space

describe('the agent', () => {
  test.each([
    ['a lower end', -4, { log: [0.0001, 0.1] }],
    ['an upper end', 0, { log: [0.001, 1] }],
  ])('widens a range whose best lies at %s, by half of it', (_, goal, lr) => {
    expect(spaceAfter(fileOf({ widen: { lr: [1e-5, 1] } }), history(logFar(goal)))).toMatchObject({ lr })
  })

  test('stops at the limit that the file sets, and then leaves the range alone', () => {
    const told = history(logFar(-4))
    expect(spaceAfter(fileOf({ widen: { lr: [0.0005, 1] } }), told)).toMatchObject({
      lr: { log: [0.0005, 0.1] },
    })
    expect(spaceAfter(fileOf({ widen: { lr: [0.001, 0.1] } }), told)).toBeUndefined()
    expect(spaceAfter(fileOf({}), told)).toBeUndefined()
  })

  test('narrows a range of which the best quarter fills a small part, around the best', () => {
    const next = nextSpace(fileOf({ narrow: true }), 1, history(far('decay', 0.4), { count: 100 }))
    const decay = next?.file.space.decay
    const [low, high] = decay !== undefined && 'float' in decay ? decay.float : [0, 1]
    expect(low).toBeGreaterThan(0.1)
    expect(high).toBeLessThan(0.7)
    expect(next?.file.space.lr).toEqual({ log: [0.001, 0.1] })
    expect(next?.text).toMatch(
      /decay narrows to 0\.\d+ … 0\.\d+\.\ndecay was 0 … 1: the best has .* fill \d+ % of the range/,
    )
    expect(next?.evidence).toHaveLength(25)
  })

  test('turns the goal round, and counts whole numbers whole', () => {
    const file = fileOf({ widen: { heads: [1, 8] } }, { metric: { name: 'val_bpb', goal: 'maximize' } })
    const space = spaceAfter(
      file,
      history(recipe => Number(recipe.heads)),
    )
    expect(space).toMatchObject({ heads: { int: [1, 6] } })
  })

  test('judges no revision before 20 outcomes under it', () => {
    const agent = { widen: { lr: [1e-5, 1] } }
    expect(spaceAfter(fileOf(agent), history(logFar(-4), { count: 19 }))).toBeUndefined()
    expect(spaceAfter(fileOf(agent), history(logFar(-4)), 2)).toBeUndefined()
  })

  test('never leaves its limits, loses the best, or makes a file that has no plan (1,000 random histories)', () => {
    const file = fileOf({ widen: { lr: [1e-5, 1], decay: [0, 1], heads: [1, 8] }, narrow: true })
    let changed = 0
    for (let seed = 0; seed < 1000; seed++) {
      const goal = streamOf(seed, 1)
      const [lr, decay, heads] = [-5 + 5 * goal.uniform(), goal.uniform(), 1 + goal.below(8)]
      const told = history(
        recipe => logFar(lr)(recipe) + far('decay', decay)(recipe) + far('heads', heads)(recipe) / 4,
        { seed, count: 20 + goal.below(60) },
      )
      const next = nextSpace(file, 1, told)
      expect(nextSpace(file, 1, told)).toEqual(next)
      if (next === undefined) continue
      changed++
      const again = CampaignFile.parse(JSON.parse(JSON.stringify(next.file)))
      expect(planCampaign(again, manifest, { created: 20, respaced: true })).toMatchObject({ ok: true })
      const best = told.trials.find(({ id }) => id === next.evidence[0])?.recipe ?? {}
      for (const [name, dimension] of Object.entries(again.space)) {
        const [low = 0, high = 0] = Object.values(dimension)[0] as number[]
        const [least = 0, most = 0] = file.agent?.widen[name] ?? []
        expect(least <= low && low <= Number(best[name]) && Number(best[name]) <= high && high <= most).toBe(
          true,
        )
      }
    }
    expect(changed).toBeGreaterThan(500)
  })

  test('narrows no space to fewer points than the campaign has runs: those that were tried are not tried again', () => {
    const points = (heads: readonly [number, number], runs: number) => {
      const space = { heads: { int: heads }, act: { choice: ['gelu', 'relu'] } }
      const file = fileOf({ narrow: true }, { space, budget: { runs, credits: 1, fuel_per_run: 1e9 } })
      const plan = planCampaign(file, manifest, { created: 6, respaced: true })
      return plan.ok && { spaceSize: plan.spaceSize, hasRoom: hasRoom(plan.spaceSize, file) }
    }
    // Enough for the four that are left, but not if three of them were tried.
    expect(points([1, 2], 10)).toEqual({ spaceSize: 4, hasRoom: false })
    expect(points([1, 8], 10)).toEqual({ spaceSize: 16, hasRoom: true })
    expect(hasRoom(null, fileOf({}))).toBe(true)
  })

  test.each([
    [{ widen: { lr: [0.01, 1] } }, {}, 'agent.widen.lr: the space is not inside it'],
    [{ widen: { lr: [1e-6, 1] } }, {}, 'agent.widen.lr: '],
    [{ widen: { width: [8, 64] } }, {}, 'agent.widen.width: the space has no such range'],
    [{ widen: { heads: [0.5, 8] } }, {}, 'agent.widen.heads: the ends of whole numbers are whole'],
    [{}, { sampler: { name: 'sobol' } }, 'agent: sobol does not learn'],
  ])('is refused %j %j', (agent, more, detail) => {
    expect(planCampaign(fileOf(agent, more), manifest)).toMatchObject({
      ...{ ok: false, code: 'campaign_invalid' },
      detail: expect.stringContaining(detail),
    })
  })
})
