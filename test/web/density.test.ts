import { expect, test } from 'vitest'
import { densityOf } from '#client/web/charts/density.ts'

const of = (lines: readonly (readonly [number, number])[], fits = lines.map(() => true)) =>
  densityOf(
    {
      left: Float64Array.from(lines, ([left]) => left),
      right: Float64Array.from(lines, ([, right]) => right),
      ...{ columns: 4, rows: 5 },
    },
    fits,
  )
const drawn = (counts: Uint32Array): string[] =>
  Array.from({ length: 5 }, (_, row) => [...counts.slice(row * 4, row * 4 + 4)].join(''))

test('a flat line crosses its row, a steep one every row of its columns, and each adds one', () => {
  expect(drawn(of([[1, 1]]).fitting)).toEqual(['1111', '0000', '0000', '0000', '0000'])
  expect(drawn(of([[0, 0]]).fitting)).toEqual(['0000', '0000', '0000', '0000', '1111'])
  expect(drawn(of([[1, 0]]).fitting)).toEqual(['1000', '1100', '0110', '0011', '0001'])
  expect(
    drawn(
      of([
        [1, 1],
        [1, 1],
        [0.5, 0.5],
      ]).fitting,
    ),
  ).toEqual(['2222', '0000', '1111', '0000', '0000'])
})

test('what does not fit is counted apart, and what has no value at an axis is not drawn', () => {
  const { fitting, others } = of(
    [
      [1, 1],
      [0, 0],
      [Number.NaN, 1],
      [1, Number.NaN],
    ],
    [true, false, true, true],
  )
  expect(drawn(fitting)).toEqual(['1111', '0000', '0000', '0000', '0000'])
  expect(drawn(others)).toEqual(['0000', '0000', '0000', '0000', '1111'])
})

test('in every column each line is in at least one row, however steep', () => {
  const lines = Array.from({ length: 200 }, (_, i) => [((i * 37) % 100) / 99, ((i * 61) % 100) / 99] as const)
  const { fitting } = of(lines)
  for (let column = 0; column < 4; column++) {
    const sum = Array.from({ length: 5 }, (_, row) => fitting[row * 4 + column] ?? 0).reduce((a, b) => a + b)
    expect(sum).toBeGreaterThanOrEqual(lines.length)
  }
})

test('what fits and what does not are together all lines, whichever filter came before, and however large the plot is', () => {
  const at = (factor: number) => Float64Array.from({ length: 100 }, (_, i) => ((i * factor) % 100) / 99)
  const [left, right] = [at(37), at(61)]
  const none = Array.from({ length: 100 }, () => false)
  for (const size of [
    { columns: 4, rows: 5 },
    { columns: 9, rows: 7 },
  ]) {
    const gap = { left, right, ...size }
    const all = [...densityOf(gap, none).others]
    for (const part of [3, 1, 2, 50]) {
      const fits = none.map((_, i) => i % part === 0)
      const { fitting, others } = densityOf(gap, fits)
      // Drawn by themselves, from axes that were never seen.
      const alone = { left: left.filter((_, i) => fits[i]), right: right.filter((_, i) => fits[i]), ...size }
      expect(fitting).toEqual(densityOf(alone, none).others)
      expect([...fitting].map((count, cell) => count + (others[cell] ?? 0))).toEqual(all)
    }
  }
})
