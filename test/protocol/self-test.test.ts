import { expect, test } from 'vitest'
import { selfTestBytes } from '#protocol/kernel.ts'

const letters = { head: '', bytes: 40, from: 97, span: 26 }

test.each([
  [
    'a head, a pattern, and another of both',
    [
      [
        { head: '00ff', bytes: 6, from: 10, span: 4 },
        { head: '07', bytes: 1, from: 1, span: 1 },
      ],
    ],
    0,
    [0, 255, 10, 10, 10, 11, 12, 13, 7, 1],
  ],
  ['the slot is part of the pattern', [[letters], [{ ...letters, bytes: 4, span: 2 }]], 1, [97, 97, 98, 98]],
  ['a slot without an entry is empty', [[letters]], 1, []],
])('%s', (_name, data, slot, bytes) => {
  expect([...selfTestBytes(data, slot)]).toEqual(bytes)
})

test('letters are letters', () => {
  expect(Buffer.from(selfTestBytes([[letters]], 0)).toString()).toMatch(/^[a-z]{40}$/)
})
