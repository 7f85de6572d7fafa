import { describe, expect, test } from 'vitest'
import { similarTo, spaceOfKernel } from '#search/similar.ts'

const KERNEL = {
  recipe: {
    type: 'object' as const,
    additionalProperties: false as const,
    properties: {
      lr: { type: 'number' as const, minimum: 1e-4, maximum: 1, default: 0.01 },
      dropout: { type: 'number' as const, minimum: 0, maximum: 0.5, default: 0 },
      width: { type: 'integer' as const, minimum: 8, maximum: 512, multipleOf: 8, default: 64 },
      act: { type: 'string' as const, enum: ['gelu', 'relu'], default: 'gelu' },
      fixed: { type: 'integer' as const, minimum: 3, maximum: 3, default: 3 },
    },
  },
}
const BASE = { lr: 0.01, dropout: 0, width: 64, act: 'gelu', fixed: 3 }

const distanceTo = (changes: object): number =>
  similarTo(KERNEL, BASE, { tried: [{ ...BASE, ...changes }], count: 1 }).neighbours[0]?.distance ??
  Number.NaN

describe('the space of a kernel', () => {
  test('leaves out what no recipe can choose', () => {
    expect(spaceOfKernel(KERNEL).parameters.map(({ name }) => name)).toEqual([
      'act',
      'dropout',
      'lr',
      'width',
    ])
  })

  test('measures a learning rate and a width by ratios, a dropout by differences, a choice by being another', () => {
    expect(distanceTo({ lr: 0.1 })).toBeCloseTo(1 / 4 / 4, 6) // one of four decades, one of four parameters
    expect(distanceTo({ lr: 0.001 })).toBeCloseTo(distanceTo({ lr: 0.1 }), 6)
    expect(distanceTo({ dropout: 0.25 })).toBeCloseTo(1 / 2 / 4, 6)
    expect(distanceTo({ act: 'relu' })).toBe(1 / 4)
    expect(distanceTo({ width: 128 })).toBeCloseTo(distanceTo({ width: 32 }), 1)
  })
})

test('what was tried is not new; what nobody came near is', () => {
  const far = { ...BASE, lr: 1, dropout: 0.5, width: 512, act: 'relu' }
  expect(similarTo(KERNEL, BASE, { tried: [far, BASE], count: 1 })).toEqual({
    novelty: 0,
    neighbours: [{ index: 1, distance: 0 }],
  })
  expect(similarTo(KERNEL, far, { tried: [BASE], count: 3 }).novelty).toBeGreaterThan(0.7)
  expect(similarTo(KERNEL, far, { tried: [], count: 3 })).toEqual({ novelty: 1, neighbours: [] })
})
