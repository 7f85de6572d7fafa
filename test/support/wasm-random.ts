// Valid modules from a tape of choices: fast-check shrinks the tape, and an exhausted tape chooses the simplest.

import {
  block,
  br,
  brIf,
  brTable,
  buildModule,
  type Code,
  call,
  callIndirect,
  copy,
  fill,
  funcType,
  get,
  globalGet,
  globalSet,
  grow,
  i32,
  i64,
  loop,
  OPS,
  set,
  TYPE,
  type Type,
  tee,
  v128,
} from './wasm-builder.ts'

type Scalar = 'i32' | 'i64'

interface Signature {
  readonly params: readonly Scalar[]
  readonly results: readonly Scalar[]
}

interface Context {
  readonly choose: (options: number) => number
  readonly signatures: readonly Signature[] // of all functions; function i has type i
  readonly index: number // of this one, which may call those behind it
  readonly types: Code[] // block types are appended
  readonly labels: (readonly Scalar[])[] // what a branch to each enclosing label carries, innermost last
  nodes: number // left to write
}

// Behind the parameters.
const LOCALS: readonly Type[] = ['i32', 'i32', 'i64', 'i64', 'v128']
const NODES_MAX = 100
const ENTRIES = 3 // of the table

/** A module with an exported `f` of no parameters, which calls others; its memory may grow from 1 to 4 pages. */
export function randomModule(tape: readonly number[]): Uint8Array {
  let at = 0
  const choose = (options: number): number => (tape[at++] ?? 0) % options
  const list = (): Scalar[] => Array.from({ length: choose(3) }, () => (choose(2) === 0 ? 'i32' : 'i64'))
  const others = Array.from({ length: choose(4) }, () => ({ params: list(), results: list() }))
  const signatures: Signature[] = [{ params: [], results: ['i32'] }, ...others]
  const types = signatures.map(s => funcType(s.params, s.results))
  const functions = signatures.map((own, index) => {
    const context = { choose, signatures, index, types, labels: [own.results], nodes: NODES_MAX }
    const body = [statements(context), values(context, own.results)]
    return { ...own, locals: LOCALS, body, ...(index === 0 ? { export: 'f' } : {}) }
  })
  const mutable = true
  const globals = [
    { type: [TYPE.i32], mutable, init: i32(3) },
    { type: [TYPE.i64], mutable, init: i64(-7) },
  ]
  const elements = signatures.map((_, i) => i).slice(1, 1 + ENTRIES)
  return buildModule({ types, functions, globals, elements, table: ENTRIES })
}

function statements(context: Context): Code {
  return Array.from({ length: 1 + context.choose(4) }, () => statement(context))
}

function statement(context: Context): Code {
  const { choose } = context
  context.nodes -= 1
  if (context.nodes <= 0) return [OPS.nop]
  const make = STATEMENTS[choose(STATEMENTS.length)]!
  return make(context)
}

const STATEMENTS: readonly ((context: Context) => Code)[] = [
  () => [OPS.nop],
  c => [value(c, 'i32'), set(local(c, c.choose(2)))],
  c => [value(c, 'i64'), set(local(c, 2 + c.choose(2)))],
  c => [value(c, 'i32'), globalSet(0)],
  c => [value(c, 'i64'), globalSet(1)],
  c => [address(c), value(c, 'i32'), 0x36, 2, 0],
  c => [value(c, 'i32'), OPS.drop],
  c => inside(c, [], () => block(0x40, statements(c))),
  c => inside(c, [], () => loop(0x40, statements(c), value(c, 'i32'), i32(c.choose(4)), OPS.i32And, brIf(0))),
  counted,
  c => [value(c, 'i32'), 0x04, 0x40, inside(c, [], () => statements(c)), 0x0b],
  c => [value(c, 'i32'), 0x04, 0x40, inside(c, [], () => [statements(c), 0x05, statements(c)]), 0x0b],
  conditionalBranch,
  c => [value(c, 'i32'), 0x04, 0x40, inside(c, [], () => [branch(c), statements(c)]), 0x0b],
  c => [value(c, 'i32'), 0x04, 0x40, inside(c, [], () => [values(c, c.labels[0]!), OPS.return]), 0x0b],
  table,
  called,
  calledIndirectly,
  passing,
  c => [address(c), i32(c.choose(256)), i32(c.choose(64)), fill],
  c => [address(c), address(c), i32(c.choose(64)), copy],
  c => [i32(c.choose(3)), grow, OPS.drop],
  c => [value(c, 'i32'), i32(15), OPS.i32And, OPS.i32Eqz, 0x04, 0x40, OPS.unreachable, statements(c), 0x0b],
  c => [get(local(c, 4)), v128(c.choose(9), 2, 3), 0xfd, 0xae, 1, set(local(c, 4))],
]

const local = ({ signatures, index }: Context, which: number): number =>
  signatures[index]!.params.length + which

/** Code in a block whose label carries `types`. */
function inside(context: Context, types: readonly Scalar[], write: () => Code): Code {
  context.labels.push(types)
  const code = write()
  context.labels.pop()
  return code
}

const address = (c: Context): Code => [value(c, 'i32'), i32(0x3ff), OPS.i32And]

function values(context: Context, types: readonly Scalar[]): Code {
  return types.map(type => value(context, type))
}

/** A loop that ends after few rounds, whatever its body does to the other locals. */
function counted(c: Context): Code {
  const counter = local(c, 1)
  const step: Code = [get(counter), i32(1), OPS.i32Add, i32(7), OPS.i32And, tee(counter)]
  return inside(c, [], () => loop(0x40, statements(c), step, brIf(0)))
}

function conditionalBranch(c: Context): Code {
  const label = c.choose(c.labels.length)
  const carried = labelTypes(c, label)
  return [values(c, carried), value(c, 'i32'), brIf(label), carried.map(() => OPS.drop)]
}

function branch(c: Context): Code {
  const label = c.choose(c.labels.length)
  return [values(c, labelTypes(c, label)), br(label)]
}

const labelTypes = ({ labels }: Context, label: number): readonly Scalar[] =>
  labels[labels.length - 1 - label]!

/** br_table over the labels that carry nothing, of which the two blocks around it are some. */
function table(c: Context): Code {
  const write = (): Code => {
    const free = c.labels.map((_, label) => label).filter(label => labelTypes(c, label).length === 0)
    const pick = (): number => free[c.choose(free.length)]!
    return [value(c, 'i32'), brTable([pick(), pick(), pick()], pick()), statements(c)]
  }
  const inner = (): Code => [block(0x40, inside(c, [], write)), statements(c)]
  return block(0x40, inside(c, [], inner))
}

function called(c: Context): Code {
  const behind = c.signatures.length - c.index - 1
  if (behind === 0) return [OPS.nop]
  const callee = c.index + 1 + c.choose(behind)
  const { params, results } = c.signatures[callee]!
  return [values(c, params), call(callee), results.map(() => OPS.drop)]
}

/** Only the first function calls through the table, which does not hold it: the graph stays acyclic. */
function calledIndirectly(c: Context): Code {
  if (c.index !== 0 || c.signatures.length === 1) return [OPS.nop]
  const type = 1 + c.choose(c.signatures.length - 1)
  const { params, results } = c.signatures[type]!
  return [
    values(c, params),
    i32(type - 1 + (c.choose(8) === 7 ? 1 : 0)),
    callIndirect(type),
    results.map(() => OPS.drop),
  ]
}

/** A block that takes and gives values. */
function passing(c: Context): Code {
  const type = c.types.push(funcType(['i32', 'i64'], ['i64', 'i32'])) - 1
  const store: Code = [set(local(c, 2)), set(local(c, 0))]
  const opcode = [0x02, 0x03, 0x04][c.choose(3)]!
  const carried: readonly Scalar[] = opcode === 0x03 ? ['i32', 'i64'] : ['i64', 'i32']
  const arm = (): Code => inside(c, carried, () => [store, statements(c), values(c, ['i64', 'i32'])])
  const condition = opcode === 0x04 ? value(c, 'i32') : []
  const arms = opcode === 0x04 ? [arm(), 0x05, arm()] : arm()
  return [values(c, ['i32', 'i64']), condition, opcode, type, arms, 0x0b, set(local(c, 1)), set(local(c, 3))]
}

/** Code that pushes one value. */
function value(context: Context, type: Scalar): Code {
  const { choose } = context
  context.nodes -= 1
  const options = type === 'i32' ? I32_VALUES : I64_VALUES
  return options[context.nodes <= 0 ? 0 : choose(options.length)]!(context)
}

const I32_VALUES: readonly ((context: Context) => Code)[] = [
  c => i32(c.choose(20) - 4),
  c => get(local(c, c.choose(2))),
  () => globalGet(0),
  c => [value(c, 'i32'), tee(local(c, c.choose(2)))],
  c => [value(c, 'i32'), value(c, 'i32'), 0x46 + c.choose(10)],
  c => [value(c, 'i32'), value(c, 'i32'), 0x6a + c.choose(15)], // divisions among them
  c => [value(c, 'i32'), 0x67 + c.choose(3)],
  c => [value(c, 'i32'), OPS.i32Eqz],
  c => [value(c, 'i64'), OPS.i32WrapI64],
  c => [value(c, 'i64'), value(c, 'i64'), 0x51 + c.choose(10)],
  c => [address(c), 0x2c + c.choose(2), 0, 0],
  c => [value(c, 'i32'), value(c, 'i32'), value(c, 'i32'), OPS.select],
  c => inside(c, ['i32'], () => block(TYPE.i32, statements(c), value(c, 'i32'), value(c, 'i32'), brIf(0))),
  c => [
    value(c, 'i32'),
    inside(c, ['i32'], () => [0x04, TYPE.i32, value(c, 'i32'), 0x05, statements(c), value(c, 'i32'), 0x0b]),
  ],
  () => [0x3f, 0],
  c => [get(local(c, 4)), 0xfd, 0x1b, c.choose(4)],
  c => [value(c, 'i32'), 0xb7, value(c, 'i64'), 0xb9, 0xa3, 0xfc, 2], // a division of f64, saturated
]

const I64_VALUES: readonly ((context: Context) => Code)[] = [
  c => i64(c.choose(40) - 8),
  c => get(local(c, 2 + c.choose(2))),
  () => globalGet(1),
  c => [value(c, 'i32'), OPS.i64ExtendI32U],
  c => [value(c, 'i64'), value(c, 'i64'), 0x7c + c.choose(15)],
  c => [value(c, 'i64'), 0xc2 + c.choose(3)],
  c => [value(c, 'i32'), inside(c, ['i64'], () => [0x04, TYPE.i64, value(c, 'i64'), 0x05, branch(c), 0x0b])],
]
