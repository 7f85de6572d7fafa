import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCondition, type Values } from '#search/expression.ts'

const KINDS = new Map<string, 'number' | 'text'>([
  ['width', 'number'],
  ['heads', 'number'],
  ['lr', 'number'],
  ['opt', 'text'],
])
const VALUES: Values = { width: 96, heads: 4, lr: 0.003, opt: 'adam' }

function evaluated(text: string, values = VALUES): boolean | string {
  const condition = parseCondition(text, KINDS)
  return condition.ok ? condition.holds(values) : `${condition.position}: ${condition.reason}`
}

describe('a condition', () => {
  test.each([
    ['width % heads == 0', true],
    ['width % 5 == 0', false],
    ['width * heads <= 384 and lr < 1e-2', true],
    ['lr > .01 or opt == "adam"', true],
    ["opt != 'sgd'", true],
    ['not (opt == "adam")', false],
    ['not opt == "adam" or true', true],
    ['1 + 2 * 3 ^ 2 == 19', true],
    ['2 ^ 3 ^ 2 == 512', true], // to the right
    ['-2 ^ 2 == -4', true], // the power binds tighter
    ['10 - 2 - 3 == 5', true],
    ['8 / 4 / 2 == 1', true],
    ['max(width, 128) - min(width, 128) == 32', true],
    ['log10(1000) == 3 and log2(8) == 3 and floor(2.7) == 2 and ceil(2.1) == 3', true],
    ['abs(-1) + sqrt(16) + exp(0) + log(1) == 6', true],
    ['width / 0 > 1e300', true],
    ['0 / 0 == 0 / 0', false],
    ['(1 < 2) == (3 < 4)', true],
    ['true and not false', true],
  ])('%s is %s', (text, value) => {
    expect(evaluated(text)).toBe(value)
  })

  test.each([
    ['', '0: expected a value, got the end'],
    ['width %', '7: expected a value, got the end'],
    ['width = 3', '6: unexpected ='],
    ['depth > 2', '0: there is no parameter depth'],
    ['width', '0: a condition is true or false, this is a number'],
    ['opt < 3', '0: expected a number, got a text'],
    ['width == "96"', '9: expected a number, got a text'],
    ['width and true', '0: expected a truth value, got a number'],
    ['not width', '4: expected a truth value, got a number'],
    ['(width > 1', '10: expected ), got the end'],
    ['width > 1)', '9: unexpected )'],
    [
      'pow(width, 2) > 1',
      '0: there is no function pow, only min, max, abs, floor, ceil, sqrt, exp, log, log2, log10',
    ],
    ['sqrt(1, 2) == 1', '0: sqrt takes 1 values'],
    [
      'constructor(1) == 1',
      '0: there is no function constructor, only min, max, abs, floor, ceil, sqrt, exp, log, log2, log10',
    ],
    ['width > 1; true', '9: unexpected ;'],
    ['1 < 2 < 3', '6: unexpected <'],
    [`${'('.repeat(33)}1`, '33: nested deeper than 32'],
    [`${'not '.repeat(40)}true`, '132: nested deeper than 32'],
    [`${'1 +'.repeat(200)} 1 > 0`, '500: longer than 500 characters'],
  ])('%s is refused: %s', (text, fault) => {
    expect(evaluated(text)).toBe(fault)
  })

  test('is total: any text is parsed or refused, and what is parsed has a value', () => {
    const piece = fc.constantFrom(
      ...[
        'width',
        'heads',
        'opt',
        '(',
        ')',
        '+',
        '-',
        '*',
        '/',
        '%',
        '^',
        '<',
        '<=',
        '==',
        '!=',
        'and',
        'or',
        'not',
      ],
      ...['min', 'log', ',', '1', '0', '2.5', '"adam"', 'true', '#', '$'],
    )
    let parsed = 0
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const value = evaluated(pieces.join(' '))
        if (typeof value === 'boolean') parsed++
        else expect(value).toMatch(/^\d+: ./)
      }),
      { numRuns: 10_000 },
    )
    expect(parsed).toBeGreaterThan(0)
  })

  test('says which parameters it names', () => {
    const condition = parseCondition('width > 2 or opt == "sgd" and width < 9', KINDS)
    expect(condition.ok && [...condition.names]).toEqual(['width', 'opt'])
  })
})
