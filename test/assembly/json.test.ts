import { beforeAll, describe, expect, test } from 'vitest'
import { openProbe, type Probe } from './probe.ts'

let probe: Probe
let room: number
beforeAll(async () => {
  probe = await openProbe()
  room = probe.take(4096)
})

function write(text: string): number {
  const bytes = new TextEncoder().encode(text)
  new Uint8Array(probe.memory.buffer, room, bytes.length).set(bytes)
  return bytes.length
}

const numberOf = (text: string): number => probe.numberAt(room, write(text))

describe('JSON numbers', () => {
  test('of six significant digits are read exactly as JavaScript reads them, over 40 powers of ten', () => {
    let state = 1
    for (let i = 0; i < 20_000; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      const digits = 100_000 + (state % 900_000)
      const value = Number(`${digits}e${(i % 40) - 22}`)
      for (const text of [String(value), String(-value), `${digits}E${(i % 40) - 22}`]) {
        const wanted = Number(text)
        expect(numberOf(text), text).toBe(wanted)
      }
    }
  })

  test.each([
    '0',
    '-0',
    '1',
    '0.1',
    '0.003',
    '1e-7',
    '1e+21',
    '9007199254740991',
    '281474976710655',
    '0.000001',
  ])('%s is exact', text => {
    expect(numberOf(text)).toBe(Number(text))
  })

  test.each([
    '',
    '-',
    '.5',
    'e5',
    'NaN',
    'null',
    '"1"',
    '9007199254740993',
    '1e400',
    '1e',
    '1e-99',
    '123456e-40',
    '{}',
  ])('%j is no number that can be read exactly', text => {
    expect(numberOf(text)).toBe(Number.NaN)
  })

  test('stop where the number stops', () => {
    expect(numberOf('12.5,3')).toBe(12.5)
    expect(numberOf('7}')).toBe(7)
  })
})

describe('members', () => {
  const find = (text: string, which: 'a' | 'b' | 'c'): string | undefined => {
    const at = probe.member(room, write(text), 'abc'.indexOf(which))
    return at < 0 ? undefined : text.slice(at)
  }

  test.each([
    ['{"a":1,"b":2}', 'b', '2}'],
    [' { "b" : [1,{"a":2}] , "a" : "x" } ', 'a', '"x" } '],
    ['{"x":"a\\":1","c":{"a":3},"a":4}', 'a', '4}'],
    ['{"x":{"a":1},"b":true}', 'b', 'true}'],
    ['{"x":{"a":1}}', 'a', undefined],
    ['{}', 'a', undefined],
    ['[1]', 'a', undefined],
    ['{"a"', 'a', undefined],
    ['{"x":"', 'a', undefined],
    ['{"x":[[[[[[', 'a', undefined],
    ['{"aa":1,"a":2}', 'a', '2}'],
  ] as const)('%s has %s at %j', (text, key, wanted) => {
    expect(find(text, key)).toBe(wanted)
  })
})
