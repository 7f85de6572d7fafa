import type { Recipe } from '#protocol/job.ts'
import { EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX } from '#protocol/limits.ts'
import { type Token, tokensOf } from './expression-tokens.ts'

// Conditions over parameters, a total language: no loops, no assignment, bounded text and depth, and every operation
// has a value (a division by zero gives an infinity or NaN, which no comparison but != holds for).
//
//   or      = and {"or" and}                     compare = sum [("=="|"!="|"<"|"<="|">"|">=") sum]
//   and     = not {"and" not}                    sum     = product {("+"|"-") product}
//   not     = "not" not | compare                product = power {("*"|"/"|"%") power}
//   power   = "-" power | atom ["^" power]       atom    = number | 'text' | name | call | "(" or ")" | true | false

export type Value = string | number
export type Values = Readonly<Record<string, Value>>

/** What of a recipe conditions can name: there are no truth values among parameters. */
export const plainValues = (recipe: Recipe): Values =>
  Object.fromEntries(
    Object.entries(recipe).flatMap(([name, value]) => (typeof value === 'boolean' ? [] : [[name, value]])),
  )

type Kind = 'number' | 'text' | 'truth'

export interface Condition {
  readonly ok: true
  /** The parameters that it names. */
  readonly names: ReadonlySet<string>
  /** Whether it holds; every name must have a value of its kind. */
  holds(values: Values): boolean
}

/** Where a condition is wrong: `position` counts characters from 0. */
export interface ExpressionFault {
  readonly ok: false
  readonly position: number
  readonly reason: string
}

/** @param kinds of the parameters that may be named @throws never: a wrong text gives a fault with its position */
export function parseCondition(
  text: string,
  kinds: ReadonlyMap<string, 'number' | 'text'>,
): Condition | ExpressionFault {
  if (text.length > EXPRESSION_CHARS_MAX)
    return {
      ok: false,
      position: EXPRESSION_CHARS_MAX,
      reason: `longer than ${EXPRESSION_CHARS_MAX} characters`,
    }
  const parser: Parser = { tokens: tokensOf(text), next: 0, depth: 0, kinds, names: new Set() }
  try {
    const root = parseOr(parser)
    const rest = peek(parser)
    if (rest.type !== 'end') throw new Fault(rest.position, `unexpected ${shown(rest)}`)
    if (root.kind !== 'truth')
      throw new Fault(0, `a condition is true or false, this is a ${NOUNS[root.kind]}`)
    return { ok: true, names: parser.names, holds: values => root.of(values) === true }
  } catch (error) {
    if (error instanceof Fault) return { ok: false, position: error.position, reason: error.message }
    throw error
  }
}

const NOUNS = { number: 'number', text: 'text', truth: 'truth value' } as const

class Fault extends Error {
  readonly position: number
  constructor(position: number, reason: string) {
    super(reason)
    this.position = position
  }
}

interface Node {
  readonly kind: Kind
  readonly position: number
  of(values: Values): number | string | boolean
}

interface Parser {
  readonly tokens: readonly Token[]
  next: number
  depth: number
  readonly kinds: ReadonlyMap<string, 'number' | 'text'>
  readonly names: Set<string>
}

const END: Token = { type: 'end', text: '', position: 0 }
const peek = (parser: Parser): Token => parser.tokens[parser.next] ?? END

function take(parser: Parser, ...texts: readonly string[]): Token | undefined {
  const token = peek(parser)
  if (token.type !== 'symbol' || !texts.includes(token.text)) return undefined
  parser.next++
  return token
}

function expect(parser: Parser, text: string): void {
  const token = peek(parser)
  if (take(parser, text) === undefined)
    throw new Fault(token.position, `expected ${text}, got ${shown(token)}`)
}

const shown = (token: Token): string => (token.type === 'end' ? 'the end' : token.text)

/** Every recursion of the grammar passes here, so that depth is bounded. */
function deeper(parser: Parser, parse: (parser: Parser) => Node): Node {
  parser.depth++
  if (parser.depth > EXPRESSION_DEPTH_MAX)
    throw new Fault(peek(parser).position, `nested deeper than ${EXPRESSION_DEPTH_MAX}`)
  const node = parse(parser)
  parser.depth--
  return node
}

const numberOf = (node: Node, values: Values): number => Number(node.of(values))

function wanted(node: Node, kind: Kind): Node {
  if (node.kind !== kind)
    throw new Fault(node.position, `expected a ${NOUNS[kind]}, got a ${NOUNS[node.kind]}`)
  return node
}

const truth = (position: number, of: (values: Values) => boolean): Node => ({ kind: 'truth', position, of })
const number = (position: number, of: (values: Values) => number): Node => ({ kind: 'number', position, of })

function parseOr(parser: Parser): Node {
  let left = parseAnd(parser)
  while (take(parser, 'or')) {
    const [a, b] = [wanted(left, 'truth'), wanted(parseAnd(parser), 'truth')]
    left = truth(a.position, values => a.of(values) === true || b.of(values) === true)
  }
  return left
}

function parseAnd(parser: Parser): Node {
  let left = parseNot(parser)
  while (take(parser, 'and')) {
    const [a, b] = [wanted(left, 'truth'), wanted(parseNot(parser), 'truth')]
    left = truth(a.position, values => a.of(values) === true && b.of(values) === true)
  }
  return left
}

function parseNot(parser: Parser): Node {
  const not = take(parser, 'not')
  if (not === undefined) return parseComparison(parser)
  const operand = wanted(deeper(parser, parseNot), 'truth')
  return truth(not.position, values => operand.of(values) !== true)
}

const ORDERS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

function parseComparison(parser: Parser): Node {
  const left = parseSum(parser)
  const sign = take(parser, '==', '!=', '<', '<=', '>', '>=')
  if (sign === undefined) return left
  const right = parseSum(parser)
  const order = ORDERS[sign.text]
  if (order === undefined) {
    wanted(right, left.kind)
    const isEqual = sign.text === '=='
    return truth(left.position, values => (left.of(values) === right.of(values)) === isEqual)
  }
  const [a, b] = [wanted(left, 'number'), wanted(right, 'number')]
  return truth(left.position, values => order(numberOf(a, values), numberOf(b, values)))
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '^': (a, b) => a ** b,
}

function arithmetic(sign: Token, left: Node, right: Node): Node {
  const [a, b] = [wanted(left, 'number'), wanted(right, 'number')]
  const operation = ARITHMETIC[sign.text]
  if (operation === undefined) throw new Fault(sign.position, `unexpected ${sign.text}`)
  return number(a.position, values => operation(numberOf(a, values), numberOf(b, values)))
}

function parseSum(parser: Parser): Node {
  let left = parseProduct(parser)
  for (let sign = take(parser, '+', '-'); sign; sign = take(parser, '+', '-'))
    left = arithmetic(sign, left, parseProduct(parser))
  return left
}

function parseProduct(parser: Parser): Node {
  let left = parsePower(parser)
  for (let sign = take(parser, '*', '/', '%'); sign; sign = take(parser, '*', '/', '%'))
    left = arithmetic(sign, left, parsePower(parser))
  return left
}

function parsePower(parser: Parser): Node {
  const minus = take(parser, '-')
  if (minus !== undefined) {
    const operand = wanted(deeper(parser, parsePower), 'number')
    return number(minus.position, values => -numberOf(operand, values))
  }
  const base = parseAtom(parser)
  const sign = take(parser, '^')
  return sign === undefined ? base : arithmetic(sign, base, deeper(parser, parsePower))
}

function parseAtom(parser: Parser): Node {
  const token = peek(parser)
  const { position, text } = token
  if (take(parser, '(')) {
    const inner = deeper(parser, parseOr)
    expect(parser, ')')
    return inner
  }
  if (take(parser, 'true')) return truth(position, () => true)
  if (take(parser, 'false')) return truth(position, () => false)
  if (token.type === 'symbol' || token.type === 'end' || token.type === 'wrong')
    throw new Fault(position, `expected a value, got ${shown(token)}`)
  parser.next++
  if (token.type === 'number') return number(position, () => Number(text))
  if (token.type === 'text') return { kind: 'text', position, of: () => text.slice(1, -1) }
  return take(parser, '(') ? parseCall(parser, token) : parameter(parser, token)
}

function parameter(parser: Parser, { text: name, position }: Token): Node {
  const kind = parser.kinds.get(name)
  if (kind === undefined) throw new Fault(position, `there is no parameter ${name}`)
  parser.names.add(name)
  return { kind, position, of: values => values[name] ?? Number.NaN }
}

interface Call {
  readonly least: number
  readonly most: number
  of(...args: number[]): number
}

const CALLS: Readonly<Record<string, Call>> = {
  min: { least: 1, most: 8, of: Math.min },
  max: { least: 1, most: 8, of: Math.max },
  abs: { least: 1, most: 1, of: Math.abs },
  floor: { least: 1, most: 1, of: Math.floor },
  ceil: { least: 1, most: 1, of: Math.ceil },
  sqrt: { least: 1, most: 1, of: Math.sqrt },
  exp: { least: 1, most: 1, of: Math.exp },
  log: { least: 1, most: 1, of: Math.log },
  log2: { least: 1, most: 1, of: Math.log2 },
  log10: { least: 1, most: 1, of: Math.log10 },
}

function parseCall(parser: Parser, { text: name, position }: Token): Node {
  const call = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined
  if (call === undefined)
    throw new Fault(position, `there is no function ${name}, only ${Object.keys(CALLS).join(', ')}`)
  const args: Node[] = []
  do args.push(wanted(deeper(parser, parseOr), 'number'))
  while (take(parser, ','))
  expect(parser, ')')
  if (args.length < call.least || args.length > call.most)
    throw new Fault(position, `${name} takes ${call.least}${call.most > call.least ? ' or more' : ''} values`)
  return number(position, values => call.of(...args.map(arg => numberOf(arg, values))))
}
