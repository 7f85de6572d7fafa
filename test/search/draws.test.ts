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
  const points: string[] = []
  for (let point = drawnPoint(draws, 0); point !== undefined; point = drawnPoint(draws, points.length))
    points.push(JSON.stringify(point))
  const drawNumber = (draw: number): string =>
    JSON.stringify(axes.map(({ name, draw: at }, i) => [name, at(uniform(7, draw, i))]))
  const first = new Set(Array.from({ length: draws.drawn.made }, (_, draw) => drawNumber(draw)))
  expect(points).toEqual([...first])
  expect(points.length).toBeGreaterThan(2_900) // of 3,000
})
