import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { manifest, planned, recipes } from '#support/spaces.ts'

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
