import { expect, test } from 'vitest'
import type { Axis } from '#search/axis.ts'
import { drawnPoint, noneDrawn } from '#search/draws.ts'
import { uniform } from '#search/random.ts'

const axisOf = (name: string, size: number): Axis => {
  const at = (index: number): string => `${name} ${index}`
  return { name, size: null, at, draw: u => at(Math.floor(u * size)) }
}

test('each point comes once, at its first draw, until no other is to be expected', () => {
  const axes = [axisOf('a', 60), axisOf('b', 50)]
  const draws = { axes, seed: 7, drawn: noneDrawn() }
  const points = Array.from({ length: 3_000 }, (_, ordinal) => JSON.stringify(drawnPoint(draws, ordinal)))
  const drawNumber = (draw: number): string =>
    JSON.stringify(axes.map(({ name, draw: at }, i) => [name, at(uniform(7, draw, i))]))
  const first = new Set(Array.from({ length: draws.drawn.made }, (_, draw) => drawNumber(draw)))
  expect(points).toEqual([...first])
  expect(drawnPoint(draws, 3_000)).toBeUndefined()
})
