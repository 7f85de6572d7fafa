import { describe, expect, test } from 'vitest'
import type { EngineClass } from '#protocol/engine.ts'
import { Sha256 } from '#protocol/units.ts'
import { planCampaign } from '#search/plan.ts'
import { buildRun } from '#search/space.ts'
import { calmManifest, fileOf, type Given, manifest, planned } from '#support/spaces.ts'

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
      'a dimension that the kernel has not',
      { space: { lr: { choice: [0.1] }, warmup: { int: [0, 99_999] } } },
      'recipe_invalid',
      'space.warmup: the kernel has no such parameter',
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
      { recipe: { warmup: 1 }, space: { lr: { choice: [0.1] } } },
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

test('the unchanged recipe is planned beside what is tried unless the file wants none or the kernel refuses it', () => {
  const space = { lr: { choice: [0.1, 0.2] } }
  const baselineOf = (file: object) => {
    const plan = planCampaign({ ...fileOf({ space, runs: 2 }), ...file }, manifest)
    return plan.ok ? plan.baseline : undefined
  }
  expect(baselineOf({})).toEqual({ lr: 0.001, decay: 0, width: 32, heads: 2, act: 'gelu' })
  expect(baselineOf({ recipe: { width: 64 } })).toMatchObject({ width: 64 })
  expect(baselineOf({ baseline: false })).toBe(null)
  expect(baselineOf({ recipe: { heads: 3 } })).toBe(null)
})

test('a kernel that knows no rungs cannot evaluate at them', () => {
  const file = { ...fileOf({ space: { lr: { choice: [0.1] } }, runs: 1 }), rungs: true as const }
  expect(planCampaign(file, manifest)).toEqual({
    ok: false,
    code: 'campaign_invalid',
    detail: 'rungs: the kernel evaluates a run only at its end',
  })
  expect(planCampaign(file, { ...manifest, rungs: true }).ok).toBe(true)
})

test('a run has the exact bytes of its job, a run key and a seed under the secret', () => {
  const file = fileOf({ space: { lr: { choice: [0.1] } }, runs: 1, budget: { updates_per_run: 10 } })
  const data = [Sha256.parse('d'.repeat(64))]
  const source = { file, manifest, moduleSha256: Sha256.parse('a'.repeat(64)), data, secret: 'secret' }
  const recipe = { lr: 0.1, width: 32, heads: 2, decay: 0, act: 'gelu' }
  const run = buildRun(source, recipe, 0)
  expect(run.job).toBe(
    `{"kernel":"charlm@1","limit":{"updates":10},"marks":8,"recipe":{"act":"gelu","decay":0,"heads":2,"lr":0.1,"width":32},"seed":${run.seed},"task":"train"}`,
  )
  expect(buildRun(source, recipe, 1).runKey).not.toBe(run.runKey)
  expect(buildRun(source, recipe, 0)).toEqual(run)
  const short = buildRun(source, recipe, 0, { of: 4, until: 0 })
  expect(short.job).toContain(
    '"recipe":{"act":"gelu","decay":0,"heads":2,"lr":0.1,"width":32},"rungs":{"of":4,"until":0},',
  )
  expect(short.seed).toBe(run.seed)
  const whole = buildRun(source, recipe, 0, { of: 4, until: 3 })
  expect(buildRun({ ...source, file: { ...file, rungs: true } }, recipe, 0)).toEqual(whole)
  expect(new Set([run, short, whole].map(({ runKey }) => runKey)).size).toBe(3)
  expect(
    planned({ space: { lr: { choice: [0.1] } }, runs: 1, budget: { updates_per_run: 10 } }),
  ).toMatchObject({
    limit: { updates: 10 },
    fuelMax: 1e12, // the manifest's bound
  })
})

test('a random campaign of the largest size goes on at its last recipes', () => {
  const plan = planned({
    space: { lr: { float: [0.001, 0.09] } },
    runs: 100_000,
    sampler: { name: 'random' },
  })
  expect([...plan.recipes(99_998)].map(reply => reply.ok && reply.ordinal)).toEqual([99_998, 99_999])
})

test('a campaign that goes on, again after what was undone, draws the recipes it was submitted with, and ends as it would', () => {
  // Some twenty values at six digits: most draws give one that there was.
  const space = { lr: { float: [0.001, 0.0010002] as [number, number] } }
  const { recipes } = planned({ space, runs: 300, sampler: { name: 'random' } })
  const all = [...recipes()]
  expect(all.at(-1)).toMatchObject({ ok: false, code: 'space_too_small' })
  for (const from of [0, 10, 5, 19, 7]) expect([...recipes(from)]).toEqual(all.slice(from))
})

describe('a recipe on which devices would not agree', () => {
  const given = { space: { lr: { choice: [0.1, 0.3] } }, runs: 2, budget: { flops_per_run: 1e9 } }
  const on = (...engines: EngineClass[]) => ({ ...fileOf(given), engines })
  const classesOf = async (engines: EngineClass[], lr: number) => {
    const data = [Sha256.parse('d'.repeat(64))]
    const moduleSha256 = Sha256.parse('a'.repeat(64))
    const source = { file: on(...engines), manifest: calmManifest, moduleSha256, data, secret: 'secret' }
    const run = buildRun(source, { lr, width: 32, heads: 2, decay: 0, act: 'gelu' }, 0)
    return [
      run.classes.map(({ engineClass }) => engineClass),
      run.exactKey === null ? 'wasm only' : 'native too',
    ]
  }

  test.each<[EngineClass[], EngineClass[], string]>([
    [['onnx-cpu', 'wasm'], ['wasm'], 'wasm only'],
    [['onnx-cpu', 'onnx-wasm', 'onnx-cuda'], ['onnx-wasm'], 'native too'],
    [['wasm', 'onnx-wasm'], ['wasm', 'onnx-wasm'], 'native too'],
  ])('is of the exact classes of %j; a calm one of all', async (engines, exact, keys) => {
    expect(await classesOf(engines, 0.3)).toEqual([exact, keys])
    expect(await classesOf(engines, 0.1)).toEqual([engines, 'native too'])
  })

  test('is refused where every class of the campaign has a tolerance: in a list, in a search, as the baseline', async () => {
    const plan = planCampaign(on('onnx-cpu'), calmManifest)
    const detail = 'experiment 1: lr 0.3: devices agree on rates up to 0.2'
    expect(plan.ok && [...plan.recipes()].at(-1)).toEqual({ ok: false, code: 'recipe_restless', detail })
    await expect(classesOf(['onnx-cpu'], 0.3)).rejects.toThrow('no class')

    const searched = { ...on('onnx-cpu'), sampler: { name: 'random' as const, seed: 1 } }
    const file = {
      ...searched,
      space: { lr: { log: [0.1, 1] as [number, number] } },
      constraints: ['lr > 0'],
    }
    const search = planCampaign(file, calmManifest)
    const rates = search.ok ? [...search.recipes()].map(each => each.ok && each.recipe.lr) : []
    expect(rates).toHaveLength(2)
    for (const rate of rates) expect(rate).toBeLessThanOrEqual(0.2)

    const unchanged = (lr: number) => {
      const heads = { heads: { choice: [1, 2] } }
      const tried = planCampaign({ ...on('onnx-cpu'), space: heads, recipe: { lr } }, calmManifest)
      return tried.ok && tried.baseline?.lr
    }
    expect([unchanged(0.1), unchanged(0.3)]).toEqual([0.1, undefined])
  })
})
