import { z } from 'zod'

/**
 * A formula over a recipe, as a tree that JSON can carry: a number, the name of a parameter, or one operation on formulas. Total:
 * no loops, bounded depth, every operation has a value; what is true is 1, what is false 0.
 */
export type Formula = number | string | { readonly [operation in Operation]?: readonly Formula[] }

const FORMULA_DEPTH_MAX = 12
const OPERANDS_MAX = 32

type Operation = keyof typeof OPERATIONS

// Without infinities nothing is ever NaN, which is not 0 and would pass for true.
const finite = (x: number): number => Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, x))

/** All but `is`, which compares a parameter with a text. Division by zero gives 0; what is too large, the largest number. */
const OPERATIONS = {
  sum: (...x: readonly number[]) => x.reduce((a, b) => finite(a + b), 0),
  product: (...x: readonly number[]) => x.reduce((a, b) => finite(a * b), 1),
  min: (...x: readonly number[]) => Math.min(...x),
  max: (...x: readonly number[]) => Math.max(...x),
  /** a / b, rounded down. */
  quotient: (a = 0, b = 0) => (b === 0 ? 0 : finite(Math.floor(a / b))),
  remainder: (a = 0, b = 0) => (b === 0 ? 0 : a % b),
  equal: (a = 0, b = 0) => Number(a === b),
  /** Whether they do not descend. */
  ascend: (...x: readonly number[]) => Number(x.every((a, i) => i === 0 || (x[i - 1] ?? a) <= a)),
  any: (...x: readonly number[]) => Number(x.some(a => a !== 0)),
  all: (...x: readonly number[]) => Number(x.every(a => a !== 0)),
  is: () => 0,
} satisfies Record<string, (...operands: number[]) => number>

/** How many operands each takes: least and most. */
const ARITY: Readonly<Record<Operation, readonly [number, number]>> = {
  sum: [1, OPERANDS_MAX],
  product: [1, OPERANDS_MAX],
  min: [1, OPERANDS_MAX],
  max: [1, OPERANDS_MAX],
  quotient: [2, 2],
  remainder: [2, 2],
  equal: [2, 2],
  ascend: [2, OPERANDS_MAX],
  any: [1, OPERANDS_MAX],
  all: [1, OPERANDS_MAX],
  is: [2, 2],
}

const isOperation = (name: string): name is Operation => Object.hasOwn(ARITY, name)

/** Why a formula is none; undefined when it is one. */
function faultOf(given: unknown, depth: number): string | undefined {
  if (depth > FORMULA_DEPTH_MAX) return `a formula is at most ${FORMULA_DEPTH_MAX} operations deep`
  if (typeof given === 'number') return Number.isFinite(given) ? undefined : 'a number is finite'
  if (typeof given === 'string') return given.length <= 100 ? undefined : 'a name has at most 100 characters'
  if (typeof given !== 'object' || given === null) return 'a formula is a number, a name or an operation'
  const [[name, operands] = ['', undefined], ...more] = Object.entries(given)
  if (!isOperation(name) || more.length > 0 || !Array.isArray(operands))
    return `an operation is one of ${Object.keys(ARITY).join(', ')}, with a list`
  const [least, most] = ARITY[name]
  if (operands.length < least || operands.length > most) return `${name} takes ${least} to ${most} operands`
  if (name === 'is')
    return operands.every(o => typeof o === 'string') ? undefined : 'is takes a parameter and a text'
  return operands.map(operand => faultOf(operand, depth + 1)).find(fault => fault !== undefined)
}

export const Formula = z.custom<Formula>(given => faultOf(given, 0) === undefined, {
  error: issue => faultOf(issue.input, 0) ?? 'not a formula',
})

/** The value of a formula; a name without a number counts as 0. */
export function evaluate(formula: Formula, values: Readonly<Record<string, unknown>>): number {
  if (typeof formula === 'number') return formula
  if (typeof formula === 'string') {
    const value = values[formula]
    return typeof value === 'number' ? value : 0
  }
  for (const [name, operands] of Object.entries(formula)) {
    if (!isOperation(name)) continue
    if (name === 'is') return Number(values[String(operands[0])] === operands[1])
    return OPERATIONS[name](...operands.map(operand => evaluate(operand, values)))
  }
  return 0
}

/** Every name of a parameter in a formula: not the texts that `is` compares with. */
export function namesIn(formula: Formula): string[] {
  if (typeof formula === 'number') return []
  if (typeof formula === 'string') return [formula]
  return Object.entries(formula).flatMap(([operation, operands]) =>
    (operation === 'is' ? operands.slice(0, 1) : operands).flatMap(namesIn),
  )
}
