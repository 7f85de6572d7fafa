import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Dimension } from '#protocol/space.ts'
import { randomPoint } from '#search/samplers/sampler.ts'
import { compileSpace, type SpaceSource } from '#search/search-space.ts'
import { streamOf } from '#search/stream.ts'
import { compiled, conditional, settled } from '#support/searches.ts'

describe('a space', () => {
  test.each<[string, SpaceSource, string]>([
    [
      'a condition that names nothing',
      { space: { lr: { log: [1e-4, 1], when: 'adam > 1' } } },
      'space.lr.when: at character 1 of "adam > 1": there is no parameter adam',
    ],
    [
      'a constraint with a typing error',
      { space: { opt: { choice: ['a', 'b'] } }, constraints: ['opt == "a"', 'opt >= 2'] },
      'constraints.1: at character 1 of "opt >= 2": expected a number, got a text',
    ],
    [
      'conditions in a circle',
      { space: { a: { int: [1, 2], when: 'b > 1' }, b: { int: [1, 2], when: 'a > 1' } } },
      'space: the when of some dimensions depend on each other',
    ],
  ])('is refused with %s', (_, source, detail) => {
    expect(compileSpace(source)).toEqual({ ok: false, detail })
  })

  test('puts parents first, others by name', () => {
    expect(compiled(conditional).parameters.map(({ name }) => name)).toEqual([
      'depth',
      'lr',
      'opt',
      'beta',
      'momentum',
      'nesterov',
    ])
  })

  test('has no value for an inactive parameter, nor for one whose parent is inactive', () => {
    const space = compiled(conditional)
    const at = (opt: number, momentum: number) =>
      settled(space, Float64Array.of(0.5, 0.5, opt, 0.5, momentum, 1))
    expect(at(0, 0)).toEqual({ depth: 4, lr: 0.01, opt: 'adam', beta: 0.945 })
    expect(at(1, 0.1)).toEqual({ depth: 4, lr: 0.01, opt: 'sgd', momentum: 0.099 })
    expect(at(1, 0.9)).toEqual({ depth: 4, lr: 0.01, opt: 'sgd', momentum: 0.891, nesterov: 'yes' })
  })

  test('refuses points that break a constraint; one that names an inactive parameter does not apply', () => {
    const space = compiled({ ...conditional, constraints: ['beta < 0.92'] })
    expect(space.settle(Float64Array.of(0.5, 0.5, 0, 0.5, 0, 0))).toEqual({
      ok: false,
      reason: 'constraints.0 does not hold',
    })
    expect(settled(space, Float64Array.of(0.5, 0.5, 0, 0.1, 0, 0))?.beta).toBe(0.909)
    expect(settled(space, Float64Array.of(0.5, 0.5, 1, 0.5, 0, 0))).toBeDefined()
  })

  test('lets conditions name what the campaign fixes', () => {
    const space = compiled({
      space: { warmup: { int: [0, 9] } },
      constraints: ['warmup < steps'],
      recipe: { steps: 3, act: 'gelu' },
    })
    expect(settled(space, Float64Array.of(0.2))).toEqual({ warmup: 2 })
    expect(settled(space, Float64Array.of(0.9))).toBeUndefined()
  })

  test('encodes what it settled as the same point, whatever the dimension', () => {
    const ordered = (low: number, high: number) =>
      fc
        .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
        .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)])
    const dimension = fc.oneof(
      ordered(1, 1e6).map(([a, b]) => ({ log: [a / 1e6, b / 1e3] })),
      ordered(-1e6, 1e6).map(([a, b]) => ({ float: [a / 997, b / 997] })),
      fc
        .tuple(ordered(-50, 50), fc.integer({ min: 1, max: 7 }))
        .map(([[a, b], step]) => ({ float: [a / 10, b / 10], step: step / 10 })),
      fc.tuple(ordered(-500, 500), fc.integer({ min: 1, max: 7 })).map(([int, step]) => ({ int, step })),
      ordered(1, 5000).map(int => ({ int, scale: 'log' as const })),
      fc
        .uniqueArray(fc.oneof(fc.integer({ min: -99_999, max: 99_999 }), fc.string({ maxLength: 4 })), {
          minLength: 1,
          maxLength: 9,
        })
        .map(choice => ({ choice })),
    )
    fc.assert(
      fc.property(dimension, fc.nat(1e6), (given, seed) => {
        const space = compiled({ space: { x: Dimension.parse(given) } })
        const point = space.settle(randomPoint(space, streamOf(seed, 0)))
        if (!point.ok) throw new Error(point.reason)
        expect(space.encode(point.values)).toEqual(point.coordinates)
        const ends =
          'log' in given ? given.log : 'float' in given ? given.float : 'int' in given ? given.int : []
        const { x } = point.values
        if (ends.length > 0) {
          expect(x).toBeGreaterThanOrEqual(Number(ends[0]!.toPrecision(6)))
          expect(x).toBeLessThanOrEqual(Number(ends[1]!.toPrecision(6)))
        } else expect('choice' in given && given.choice).toContain(x)
      }),
      { numRuns: 10_000 },
    )
  })

  test('clamps what was tried outside it, and takes a foreign choice for inactive', () => {
    const space = compiled({
      space: { lr: { log: [1e-3, 1e-1] }, act: { choice: ['relu'] }, n: { int: [2, 4] } },
    })
    expect(space.encode({ lr: 5, act: 'tanh', n: 9 })).toEqual(Float64Array.of(Number.NaN, 1, 5 / 6))
    expect(space.encode({ lr: true })).toEqual(Float64Array.of(Number.NaN, Number.NaN, Number.NaN))
  })
})

test('steps that end at 0 end there, not beside it', () => {
  const space = compileSpace({ space: { shift: { float: [-0.3, 0], step: 0.1 } } })
  const last = space.ok ? space.settle(Float64Array.of(1)) : space
  expect(last).toMatchObject({ values: { shift: 0 } })
})
