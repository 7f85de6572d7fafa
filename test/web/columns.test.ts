import { expect, test } from 'vitest'
import { aligned } from '#client/web/charts/columns.ts'

test('a line by itself keeps every point, in the order of x, also those above one another', () => {
  const points = [
    [2, 5],
    [1, 7],
    [2, 6],
  ] as const
  expect(aligned([{ points }])).toEqual([
    [1, 2, 2],
    [7, 5, 6],
  ])
})

test('several lines share their x, and have nothing where they have no point', () => {
  const first = [
    [1, 10],
    [3, 30],
  ] as const
  expect(aligned([{ points: first }, { points: [[2, 2]] }])).toEqual([
    [1, 2, 3],
    [10, null, 30],
    [null, 2, null],
  ])
  expect(aligned([])).toEqual([[]])
})
