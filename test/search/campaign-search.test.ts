import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CampaignFile } from '#protocol/campaign.ts'
import { canonicalRecipe, KernelManifest } from '#protocol/kernel.ts'
import { searchOf } from '#search/campaign-search.ts'
import { planCampaign } from '#search/plan.ts'
import { nothing } from '#support/searches.ts'
import { fileOf, manifest } from '#support/spaces.ts'

const yaml = `
title: Does warm-up matter below 1M parameters?
kernel: charlm@0
data: sotu@1
metric: {name: val_bpb, goal: minimize}
budget: {fuel_per_run: 60e9, runs: 400, credits: 24}
space:
  lr:     {log: [1e-4, 1e-2]}
  warmup: {choice: [0, 10, 50]}
  depth:  {int: [2, 6]}
  decay:  {float: [0, 0.5], step: 0.1, when: warmup > 0}
constraints: ["depth < 6 or lr < 1e-3"]
sampler: {name: tpe, startup: 40, seed: 7}
replicate: {quorum: 2, seeds: 3}
stop: {sprt: {effect: 0.01, alpha: 0.05, beta: 0.05}, prune: asha}
`

const { recipe: schema } = manifest
const kernel = KernelManifest.parse({
  ...manifest,
  recipe: {
    ...schema,
    properties: {
      ...schema.properties,
      warmup: { type: 'integer', minimum: 0, maximum: 100, default: 5 },
      depth: { type: 'integer', minimum: 1, maximum: 8, default: 2 },
    },
  },
})

describe('a campaign file', () => {
  const file = CampaignFile.parse(parse(yaml))

  test('gives canonical recipes, with the defaults of the kernel where a parameter is inactive', () => {
    const search = searchOf(file, kernel)
    const reply = search.ok ? search.ask(nothing(), 200) : search
    expect(reply).toMatchObject({ ok: true })
    const recipes = 'proposals' in reply ? reply.proposals.map(({ recipe }) => recipe) : []
    expect(recipes).toHaveLength(200)
    for (const recipe of recipes) {
      expect(canonicalRecipe(kernel, recipe)).toEqual({ ok: true, recipe })
      expect(Number(recipe.depth) < 6 || Number(recipe.lr) < 1e-3).toBe(true)
      if (recipe.warmup === 0) expect(recipe.decay).toBe(0)
    }
  })

  test('that a server searches plans its first recipes; what it cannot do is refused, and says where', () => {
    const { stop: _, ...rest } = parse(yaml)
    const planOf = (more: object) => planCampaign(CampaignFile.parse({ ...rest, ...more }), kernel)
    for (const more of [{}, { sampler: { name: 'random' } }, { sampler: undefined }]) {
      const plan = planOf(more)
      expect(plan.ok && plan.search !== null && [...plan.recipes()].map(reply => reply.ok)).toEqual([
        true,
        true,
        true,
      ])
    }
    expect(planOf({ space: { depth: { int: [2, 6] } }, constraints: [], recipe: {} })).toMatchObject({
      code: 'space_too_small',
    })
    expect(planOf({ stop: { prune: 'asha' } })).toEqual({
      ...{ ok: false, code: 'kernel_without_rungs' },
      detail: `stop.prune: ${file.kernel} cannot end a run early: leave out asha`,
    })
    expect(planOf({ stop: { at: 'plateau' } })).toMatchObject({
      detail: expect.stringMatching(/^stop.at: /),
    })
    const once = { quorum: 2, seeds: 1, policy: 'adaptive' } as const
    expect(
      planOf({ stop: { sprt: { effect: 0.1, alpha: 0.05, beta: 0.05 } }, replicate: once }),
    ).toMatchObject({
      detail: expect.stringMatching(/^replicate.seeds: /),
    })
    expect(planOf({ constraints: ['depth > 6'] })).toMatchObject({ ok: true }) // it is the first draw that finds none
    const none = planOf({ constraints: ['depth > 6'] })
    expect(none.ok && [...none.recipes()]).toMatchObject([{ ok: false, code: 'space_too_constrained' }])
  })

  const sprt = { effect: 0.1, alpha: 0.05, beta: 0.05 }
  test.each<[string, object, boolean, string]>([
    ['a sampler that learns stops runs early', {}, true, 'asha'],
    ['not where the kernel knows no rungs', {}, false, 'none'],
    ['nor beside a sequential test', { stop: { sprt } }, true, 'none'],
    ['unless the file asks for it', { stop: { sprt, prune: 'median' } }, true, 'median'],
    ['nor where the draws stand for the space', { sampler: { name: 'sobol' } }, true, 'none'],
    ['unless the file asks for it', { sampler: { name: 'random' }, stop: { prune: 'asha' } }, true, 'asha'],
    ['nor where the file says so', { stop: { prune: 'none' } }, true, 'none'],
  ])('%s: %o', (_, more, rungs, pruner) => {
    const { stop: _stop, ...rest } = parse(yaml)
    expect(planCampaign(CampaignFile.parse({ ...rest, ...more }), { ...kernel, rungs })).toMatchObject({
      ...{ ok: true, pruner },
    })
  })

  test.each([
    [{ space: { seed: { int: [1, 9] } } }, 'a seed is never a dimension: replicate.seeds says how many'],
    [{ space: { n: { int: [0, 9], scale: 'log' } } }, 'a log scale starts above zero'],
    [{ space: { n: { float: [2, 1] } } }, 'the lower end is above the upper end'],
    [{ constraints: Array(33).fill('lr > 0') }, 'Too big: expected array to have <=32 items'],
    [{ sampler: { name: 'annealing' } }, 'Invalid option'],
    [{ stop: { sprt: { effect: 0 } } }, 'Too small: expected number to be >0'],
  ])('with %j is refused: %s', (change, message) => {
    const reply = CampaignFile.safeParse({ ...parse(yaml), ...change })
    expect(JSON.stringify(reply.error?.issues)).toContain(message)
  })
})

describe('a search is refused', () => {
  const random = { sampler: { name: 'random' } }
  test.each([
    [{ warmup: { int: [0, 9] } }, 'recipe_invalid', 'space.warmup: the kernel has no such parameter'],
    [{ lr: { log: [1e-6, 1] } }, 'recipe_invalid', 'space.lr: 0.000001 is outside 0.00001…1'],
    [{ width: { int: [8, 64], step: 4 } }, 'recipe_invalid', 'space.width: 12 is not a multiple of 8'],
    [
      { width: { float: [8, 64] } },
      'recipe_invalid',
      'space.width: the kernel takes no fractions here: use int or choice',
    ],
    [
      { act: { choice: ['gelu', 'tanh'] } },
      'recipe_invalid',
      'space.act: expected one of gelu, relu, got tanh',
    ],
    [{ lr: { choice: [0.1, 0.1] } }, 'campaign_invalid', 'space.lr: the value 0.1 occurs twice'],
    [
      { lr: { log: [1e-4, 1], when: 'width >' } },
      'campaign_invalid',
      'space.lr.when: at character 1 of "width >": there is no parameter width',
    ],
  ])('for %j', (space, code, detail) => {
    expect(searchOf(fileOf({ space, ...random }), manifest)).toEqual({ ok: false, code, detail })
  })
})

test('rules of the kernel are constraints: what it refuses is drawn again', () => {
  const space = { width: { int: [8, 256], step: 8 }, heads: { int: [1, 8] } }
  const search = searchOf(fileOf({ space, sampler: { name: 'tpe', seed: 1 } }), manifest)
  const reply = search.ok && search.ask(nothing(), 100)
  expect(reply).toMatchObject({ ok: true })
})

test('a kernel that refuses everything ends a search with the reason of the last refusal', () => {
  const space = { heads: { choice: [3, 5, 6, 7] }, lr: { log: [1e-4, 1] } }
  const search = searchOf(fileOf({ space, sampler: { name: 'sobol' } }), manifest)
  const reply = search.ok && search.ask(nothing(), 1)
  expect(reply).toMatchObject({
    ok: false,
    code: 'space_too_constrained',
    detail: expect.stringMatching(/the kernel refuses it: heads: \d does not divide width 32$/),
  })
})
