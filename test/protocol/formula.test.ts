import { describe, expect, test } from 'vitest'
import { evaluate, Formula, namesIn } from '#protocol/formula.ts'

const VALUES = { width: 64, heads: 3, act: 'gelu' }

describe('formulas over recipes', () => {
  test.each([
    [7, 7],
    ['width', 64],
    ['act', 0],
    ['toString', 0],
    [{ sum: ['width', 1, 2] }, 67],
    [{ product: ['width', 'heads'] }, 192],
    [{ min: ['width', 'heads'] }, 3],
    [{ max: [1, { min: ['width', 2] }] }, 2],
    [{ quotient: ['width', 'heads'] }, 21],
    [{ quotient: ['width', 0] }, 0],
    [{ quotient: [1e308, 1e-308] }, Number.MAX_VALUE],
    [{ product: [1e308, 1e308, 0] }, 0],
    [{ sum: [{ product: [1e308, 1e308] }, { product: [-1e308, 1e308] }] }, 0],
    [{ remainder: [{ sum: [1.7e308, 1.7e308] }, 'width'] }, 0],
    [{ remainder: ['width', 'heads'] }, 1],
    [{ remainder: ['width', 0] }, 0],
    [{ equal: ['width', 64] }, 1],
    [{ ascend: [1, 'heads', 'width'] }, 1],
    [{ ascend: ['width', 'heads'] }, 0],
    [{ is: ['act', 'gelu'] }, 1],
    [{ is: ['act', 'relu'] }, 0],
    [{ any: [{ is: ['act', 'relu'] }, 'heads'] }, 1],
    [{ all: [{ is: ['act', 'gelu'] }, 0] }, 0],
  ])('%j is %d', (formula, value) => {
    expect(evaluate(Formula.parse(formula), VALUES)).toBe(value)
  })

  test.each([
    [null],
    [true],
    [Number.NaN],
    [[]],
    [{}],
    [{ power: [2, 3] }],
    [{ toString: [] }],
    [{ sum: [] }],
    [{ sum: 3 }],
    [{ sum: [1], min: [2] }],
    [{ quotient: [1] }],
    [{ is: ['act', 3] }],
    [{ sum: [{ product: [undefined] }] }],
    [Array.from({ length: 14 }).reduce<unknown>(inner => ({ sum: [inner] }), 1)],
  ])('%j is none', given => {
    expect(Formula.safeParse(given).success).toBe(false)
  })

  test('its names are those of parameters, not the texts that they are compared with', () => {
    expect(namesIn(Formula.parse({ sum: ['a', { is: ['b', 'c'] }, 1] }))).toEqual(['a', 'b'])
  })
})
