import { expect, test } from 'vitest'
import { lineageOf } from '#domain/lineage.ts'

const won = (number: number, incumbent: string, challenger: string, state = 'promoted') => ({
  ...{ number, incumbent, challenger, state },
})

test.each([
  ['the unchanged recipe descends from nothing', 'o', 'o', [won(1, 'o', 'a')], 'o'],
  ['who was promoted over it, from it', 'a', 'o', [won(1, 'o', 'a')], 'o a'],
  ['step by step', 'b', 'o', [won(1, 'o', 'a'), won(2, 'a', 'b')], 'o a b'],
  ['who was rejected, from the unchanged recipe', 'b', 'o', [won(1, 'a', 'b', 'rejected')], 'o b'],
  ['without an unchanged recipe, from the first incumbent', 'a', null, [won(1, 'x', 'a')], 'x a'],
  ['without either, from nothing', 'a', null, [], 'a'],
  ['rows that go round in a circle end', 'a', 'o', [won(1, 'b', 'a'), won(2, 'a', 'b')], 'o b a'],
] as const)('%s', (_, id, origin, tests, lineage) => {
  expect(lineageOf<string>(id, origin, tests).join(' ')).toBe(lineage)
})
