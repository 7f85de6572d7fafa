import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CampaignFile } from '#protocol/campaign.ts'
import { canonicalRecipe, KernelManifest } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { buildRun, type CampaignPlan, planCampaign } from '#search/space.ts'

const manifest = KernelManifest.parse({
  ...{
    name: 'charlm',
    version: 0,
    serial: 1,
    engine: 'wasm',
    abi: 'xee-1',
    fuelTable: 'fuel-1',
    title: 'test',
  },
  recipe: {
    type: 'object',
    additionalProperties: false,
    properties: {
      lr: { type: 'number', minimum: 1e-5, maximum: 1, default: 0.001 },
      decay: { type: 'number', minimum: 0, maximum: 1, default: 0 },
      width: { type: 'integer', minimum: 8, maximum: 256, multipleOf: 8, default: 32 },
      heads: { type: 'integer', minimum: 1, maximum: 8, default: 2 },
      act: { type: 'string', enum: ['gelu', 'relu'], default: 'gelu' },
    },
  },
  rules: [{ divides: ['heads', 'width'] }],
  slots: [{ name: 'train', split: 'train' }],
  memoryPagesMax: 64,
  metric: { name: 'val_bpb', goal: 'minimize' },
  bounds: { fuelMax: 1e12, updatesMax: 1000 },
})

interface Given {
  readonly space: unknown
  readonly runs?: number
  readonly sampler?: unknown
  readonly recipe?: unknown
  readonly budget?: object
  readonly metric?: unknown
}

const fileOf = ({
  space,
  runs = 4,
  sampler = { name: 'grid' },
  recipe = {},
  budget,
  metric,
}: Given): CampaignFile =>
  CampaignFile.parse({
    ...{ title: 'test', kernel: 'charlm@0', data: 'sotu-small@1', space, sampler, recipe },
    metric: metric ?? { name: 'val_bpb', goal: 'minimize' },
    budget: { runs, credits: 1, ...(budget ?? { fuel_per_run: 1e9 }) },
  })

function planned(given: Given): CampaignPlan {
  const plan = planCampaign(fileOf(given), manifest)
  if (!plan.ok) throw new Error(plan.detail)
  return plan
}

/** The recipes from `from` on, each parameter in the order of `names`; a refusal ends the list as its code. */
const recipes = (plan: CampaignPlan, names: readonly string[], from = 0): unknown[] =>
  [...plan.recipes(from)].map(p => (p.ok ? names.map(name => p.recipe[name]) : p.code))

describe('a grid', () => {
  test('takes every combination, dimensions by name, the last fastest', () => {
    const plan = planned({ space: { width: { choice: [16, 32] }, act: { choice: ['relu', 'gelu'] } } })
    expect(plan.spaceSize).toBe(4)
    expect(recipes(plan, ['act', 'width'])).toEqual([
      ['relu', 16],
      ['relu', 32],
      ['gelu', 16],
      ['gelu', 32],
    ])
  })

  test('spaces points evenly, in the logarithm for log, and takes both ends as written', () => {
    expect(recipes(planned({ space: { lr: { log: [1e-4, 1e-1], points: 4 } } }), ['lr']).flat()).toEqual([
      0.0001, 0.001, 0.01, 0.1,
    ])
    expect(recipes(planned({ space: { decay: { float: [0, 1], points: 4 } } }), ['decay']).flat()).toEqual([
      0, 0.333333, 0.666667, 1,
    ])
    expect(recipes(planned({ space: { lr: { log: [0.003, 0.3], points: 1 } }, runs: 1 }), ['lr'])).toEqual([
      [0.003],
    ])
  })

  test('steps through whole numbers without leaving the range', () => {
    const plan = planned({ space: { width: { int: [8, 39], step: 8 } } })
    expect(recipes(plan, ['width']).flat()).toEqual([8, 16, 24, 32])
  })

  test('fills in what the campaign fixes and what the kernel defaults to', () => {
    const [first] = planned({ space: { lr: { choice: [0.5] } }, recipe: { heads: 4 }, runs: 1 }).recipes()
    expect(first).toMatchObject({ recipe: { act: 'gelu', decay: 0, heads: 4, lr: 0.5, width: 32 } })
  })

  test('stops after the runs asked for and continues anywhere', () => {
    const plan = planned({ space: { lr: { log: [1e-4, 1], points: 1000 } }, runs: 900 })
    const all = recipes(plan, ['lr'])
    expect(all).toHaveLength(900)
    expect(recipes(plan, ['lr'], 890)).toEqual(all.slice(890))
    expect(recipes(plan, ['lr'], 900)).toEqual([])
  })

  test('of 32 million points is enumerated without being built', () => {
    const space = {
      lr: { log: [1e-4, 1e-1], points: 1000 },
      decay: { float: [0, 1], points: 1000 },
      width: { int: [8, 256], step: 8 },
    }
    const plan = planned({ space, runs: 100_000 })
    expect(plan.spaceSize).toBe(32_000_000)
    expect(recipes(plan, ['decay', 'lr', 'width'], 99_999)).toEqual([[0.003003, 0.000235707, 256]])
  })
})

describe('a random search', () => {
  const mixed = { lr: { log: [1e-4, 1e-1] }, width: { choice: [16, 32, 64] }, decay: { float: [0, 0.5] } }

  test('is the same for ever for the same seed, and another for another', () => {
    const draw = (seed: number) =>
      recipes(planned({ space: mixed, sampler: { name: 'random', seed } }), ['lr', 'width', 'decay'])
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(draw(7)).toEqual([
      [0.0012538, 16, 0.146542],
      [0.0361186, 32, 0.447016],
      [0.00720615, 16, 0.422199],
      [0.0023626, 64, 0.329076],
    ])
  })

  test('never repeats a recipe, stays in its ranges, and continues where it stopped', () => {
    const space = fc.record({
      seed: fc.nat(2 ** 32 - 1),
      runs: fc.integer({ min: 1, max: 60 }),
      from: fc.nat(60),
    })
    fc.assert(
      fc.property(space, ({ seed, runs, from }) => {
        const plan = planned({ space: mixed, runs, sampler: { name: 'random', seed } })
        const all = [...plan.recipes()]
        expect(all).toHaveLength(runs)
        expect(new Set(all.map(p => JSON.stringify(p.ok && p.recipe))).size).toBe(runs)
        expect(all.every(p => p.ok && canonicalRecipe(manifest, p.recipe).ok)).toBe(true)
        expect([...plan.recipes(from)]).toEqual(all.slice(from))
      }),
      { numRuns: 300 },
    )
  })

  test('of a finite space can take all of it, each point once', () => {
    const space = {
      width: { int: [8, 256], step: 8 },
      act: { choice: ['gelu', 'relu'] },
      heads: { choice: [1, 2] },
    }
    const plan = planned({ space, runs: 128, sampler: { name: 'random', seed: 3 } })
    expect(plan.spaceSize).toBe(128)
    const all = recipes(plan, ['width', 'act', 'heads'])
    expect(new Set(all.map(point => JSON.stringify(point))).size).toBe(128)
    expect(all).not.toEqual(recipes(planned({ space, runs: 128 }), ['width', 'act', 'heads']))
    expect(recipes(plan, ['width', 'act', 'heads'], 120)).toEqual(all.slice(120))
  })

  test('spreads evenly over a range, and over the logarithm of a log range', () => {
    const plan = planned({ space: mixed, runs: 3000, sampler: { name: 'random', seed: 11 } })
    const points = [...plan.recipes()].flatMap(p => (p.ok ? [p.recipe] : []))
    const share = (holds: (r: (typeof points)[number]) => boolean): number =>
      points.filter(holds).length / points.length
    // Of 3,000 draws a share of a third has a standard deviation of 0.9 %.
    for (const width of [16, 32, 64]) expect(share(r => r.width === width)).toBeCloseTo(1 / 3, 1)
    expect(share(r => Number(r.lr) < 1e-3)).toBeCloseTo(1 / 3, 1)
    expect(share(r => Number(r.lr) > 1e-2)).toBeCloseTo(1 / 3, 1)
    expect(share(r => Number(r.decay) < 0.25)).toBeCloseTo(1 / 2, 1)
    expect(share(r => Number(r.decay) < 0.25 && Number(r.lr) < 1e-3)).toBeCloseTo(1 / 6, 1)
  })

  test('gives up after a thousand draws that repeat what it has', () => {
    const plan = planned({
      space: { lr: { float: [0.5, 0.500004] } },
      runs: 100,
      sampler: { name: 'random' },
    })
    expect(plan.spaceSize).toBeNull()
    const values = recipes(plan, ['lr'])
    expect(values.at(-1)).toBe('space_too_small')
    expect(new Set(values.slice(0, -1).flat())).toEqual(
      new Set([0.5, 0.500001, 0.500002, 0.500003, 0.500004]),
    )
  })
})

describe('a plan is refused', () => {
  test.each<[string, Given, string, string]>([
    [
      'a grid range without points',
      { space: { lr: { log: [1e-4, 1] } } },
      'campaign_invalid',
      'space.lr: a grid needs points, the number of values to take',
    ],
    [
      'the same value twice',
      { space: { lr: { choice: [0.1, 0.2, 0.10000001] } }, runs: 3 },
      'campaign_invalid',
      'space.lr: the value 0.1 occurs twice',
    ],
    [
      'the same value twice, at random',
      { space: { lr: { choice: [0.1, 0.1] } }, runs: 1, sampler: { name: 'random' } },
      'campaign_invalid',
      'space.lr: the value 0.1 occurs twice',
    ],
    [
      'a dimension that the recipe fixes',
      { space: { lr: { choice: [0.1] } }, recipe: { lr: 1 }, runs: 1 },
      'campaign_invalid',
      'space.lr: the recipe fixes it already',
    ],
    [
      'another metric',
      { space: { lr: { choice: [0.1] } }, metric: { name: 'loss', goal: 'minimize' } },
      'campaign_invalid',
      'metric: the kernel gives val_bpb, to minimize',
    ],
    [
      'too much fuel',
      { space: { lr: { choice: [0.1] } }, budget: { fuel_per_run: 2e12 } },
      'campaign_invalid',
      'budget.fuel_per_run: the kernel takes at most 1000000000000',
    ],
    [
      'too many updates',
      { space: { lr: { choice: [0.1] } }, budget: { updates_per_run: 2000 } },
      'campaign_invalid',
      'budget.updates_per_run: the kernel takes at most 1000',
    ],
    [
      'more runs than points',
      { space: { lr: { choice: [0.1, 0.2] } }, runs: 3 },
      'space_too_small',
      'the space has 2 points, budget.runs asks for 3',
    ],
    [
      'a million values',
      { space: { width: { int: [1, 1_000_000] } } },
      'campaign_invalid',
      'space.width: 1000000 values, at most 100000',
    ],
  ])('%s', (_, given, code, detail) => {
    expect(planCampaign(fileOf(given), manifest)).toEqual({ ok: false, code, detail })
  })

  test.each<[string, Given, string]>([
    [
      'a parameter that the kernel has not',
      { space: { warmup: { choice: [1] } } },
      'experiment 0: warmup: the kernel has no such parameter',
    ],
    [
      'a value out of bounds',
      { space: { lr: { choice: [0.1, 2] } } },
      'experiment 1: lr: 2 is outside 0.00001…1',
    ],
    [
      'a broken rule',
      { space: { heads: { choice: [2, 3] } } },
      'experiment 1: heads: 3 does not divide width 32',
    ],
    [
      'a fraction of a whole number',
      { space: { width: { float: [8, 9], points: 3 } } },
      'experiment 1: width: expected a whole number, got 8.5',
    ],
  ])('at its first bad recipe: %s', (_, given, detail) => {
    const plan = planned({ ...given, runs: 1 + Number(detail.charAt(11)) })
    expect([...plan.recipes()].at(-1)).toEqual({ ok: false, code: 'recipe_invalid', detail })
  })
})

test('a run has the exact bytes of its job, a run key and a seed under the secret', async () => {
  const file = fileOf({ space: { lr: { choice: [0.1] } }, runs: 1, budget: { updates_per_run: 10 } })
  const data = [Sha256.parse('d'.repeat(64))]
  const source = { file, manifest, moduleSha256: Sha256.parse('a'.repeat(64)), data, secret: 'secret' }
  const recipe = { lr: 0.1, width: 32, heads: 2, decay: 0, act: 'gelu' }
  const run = await buildRun(source, recipe, 0)
  expect(run.job).toBe(
    `{"kernel":"charlm@0","limit":{"updates":10},"marks":8,"recipe":{"act":"gelu","decay":0,"heads":2,"lr":0.1,"width":32},"seed":${run.seed},"task":"train"}`,
  )
  expect((await buildRun(source, recipe, 1)).runKey).not.toBe(run.runKey)
  expect(await buildRun(source, recipe, 0)).toEqual(run)
  expect(
    planned({ space: { lr: { choice: [0.1] } }, runs: 1, budget: { updates_per_run: 10 } }),
  ).toMatchObject({
    limit: { updates: 10 },
    fuelMax: 1e12, // the manifest's bound
  })
})
