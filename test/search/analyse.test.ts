import { describe, expect, test } from 'vitest'
import { hullOf } from '#search/hull.ts'
import { smoothed } from '#search/smooth.ts'

describe('the hull of a space', () => {
  const space = {
    lr: { log: [0.001, 0.1] as [number, number] },
    width: { choice: [16, 32] },
    depth: { int: [2, 6] as [number, number], step: 2 },
  }

  test('is the space itself where nothing was tried beyond it', () => {
    expect(hullOf(space, [{ lr: 0.01, width: 32, depth: 4 }])).toEqual(space)
  })

  test('takes in what was tried beyond it, and drops the step that no longer fits', () => {
    expect(hullOf(space, [{ lr: 1, width: 64, depth: 1 }, { lr: 0.01 }])).toEqual({
      lr: { log: [0.001, 1] },
      width: { choice: [16, 32, 64] },
      depth: { int: [1, 6] },
    })
  })
})

describe('a contour is interpolated', () => {
  const cell = (mean: number | null, n = mean === null ? 0 : 1) => ({ n, mean })
  const cells = [cell(1), cell(null), cell(3), cell(null), cell(null), cell(null)]

  test('between neighbours along an axis with an order', () => {
    const [, middle] = smoothed({ columns: 6, cells, isOrdered: { x: true, y: true } })
    expect(middle).toBeCloseTo(2, 12)
  })

  test('by how many points each has', () => {
    const [, middle] = smoothed({
      ...{ columns: 3, isOrdered: { x: true, y: true } },
      cells: [cell(1, 3), cell(null), cell(3, 1)],
    })
    expect(middle).toBeCloseTo(1.5, 12)
  })

  test('nowhere near nothing, and not across values without order', () => {
    expect(smoothed({ columns: 6, cells, isOrdered: { x: false, y: true } })).toEqual([
      ...[1, null, 3, null, null, null],
    ])
    const far = [cell(1), cell(null), cell(null), cell(null), cell(null)]
    expect(smoothed({ columns: 5, cells: far, isOrdered: { x: true, y: true } })[4]).toBeNull()
  })
})
