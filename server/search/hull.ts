import type { Recipe } from '#protocol/job.ts'
import type { Dimension } from '#protocol/space.ts'

type Space = Readonly<Record<string, Dimension>>

/**
 * A space that also has in it what was tried before it was narrowed, or from outside: ranges are widened to the values, and
 * choices lengthened by them. Steps that no longer fit are dropped. What a parameter cannot take (a text in a range) stays out.
 */
export const hullOf = (space: Space, recipes: readonly Recipe[]): Record<string, Dimension> =>
  Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => [name, widened(dimension, valuesOf(recipes, name))]),
  )

const valuesOf = (recipes: readonly Recipe[], name: string): (string | number)[] => [
  ...new Set(
    recipes.flatMap(recipe => {
      const value = recipe[name]
      return value === undefined || typeof value === 'boolean' ? [] : [value]
    }),
  ),
]

function widened(dimension: Dimension, values: readonly (string | number)[]): Dimension {
  if ('choice' in dimension) {
    const foreign = values.filter(value => !dimension.choice.includes(value))
    return { ...dimension, choice: [...dimension.choice, ...foreign] }
  }
  const numbers = values.filter(value => typeof value === 'number')
  if ('log' in dimension)
    return {
      ...dimension,
      log: around(
        dimension.log,
        numbers.filter(value => value > 0),
      ),
    }
  if ('float' in dimension) {
    const { step, ...rest } = dimension
    const ends = around(dimension.float, numbers)
    return { ...rest, float: ends, ...(isSame(ends, dimension.float) && step !== undefined ? { step } : {}) }
  }
  const { step, ...rest } = dimension
  const ends = around(dimension.int, numbers.filter(Number.isInteger))
  return { ...rest, int: ends, ...(isSame(ends, dimension.int) && step !== undefined ? { step } : {}) }
}

const around = ([low, high]: readonly [number, number], values: readonly number[]): [number, number] => [
  values.reduce((least, value) => Math.min(least, value), low),
  values.reduce((most, value) => Math.max(most, value), high),
]

const isSame = (a: readonly number[], b: readonly number[]): boolean => a[0] === b[0] && a[1] === b[1]
