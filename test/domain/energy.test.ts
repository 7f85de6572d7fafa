import { expect, test } from 'vitest'
import { ENERGY_ASSUMPTIONS, wattHours } from '#domain/energy.ts'

test('watt-hours are what the formula and its assumptions say', () => {
  const said = ENERGY_ASSUMPTIONS.join('\n')
  const [low, high] = /draws ([\d.]+) to ([\d.]+) W/.exec(said)!.slice(1).map(Number)
  const typical = Number(/([\d.]+) W where one figure/.exec(said)![1])
  const losses = Number(/([\d.]+) W are drawn from the wall/.exec(said)![1])
  expect(wattHours(100)).toEqual({
    low: expect.closeTo(100 * low! * losses, 9),
    typical: expect.closeTo(100 * typical * losses, 9),
    high: expect.closeTo(100 * high! * losses, 9),
  })
  expect(wattHours(0).high).toBe(0)
})
