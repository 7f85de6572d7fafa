import { expect, test } from 'vitest'
import { compareRuns } from '#support/metered.ts'
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
  type FunctionSpec,
  fill,
  funcType,
  get,
  globalGet,
  globalSet,
  grow,
  i32,
  i64,
  loop,
  type ModuleSpec,
  OPS,
  set,
  TYPE,
  tee,
  VOID,
  when,
} from '#support/wasm-builder.ts'

const I32 = TYPE.i32
const decrement = (local: number): Code => [get(local), i32(1), OPS.i32Sub, tee(local)]

interface Shape {
  readonly body: Code
  readonly locals?: FunctionSpec['locals']
  readonly more?: readonly FunctionSpec[]
  readonly spec?: ModuleSpec
  readonly mayGrow?: boolean
}

// Each function takes one i32 and gives one; it is run for several arguments.
const SHAPES: Readonly<Record<string, Shape>> = {
  'straight line': { body: [get(0), i32(1), OPS.i32Add] },
  'a block that nothing leaves': { body: [block(VOID, OPS.nop), get(0)] },
  'a block left by a conditional branch': { body: [block(VOID, get(0), brIf(0), OPS.nop, OPS.nop), get(0)] },
  'a value carried out of a block': { body: [block(I32, i32(7), get(0), brIf(0), OPS.drop, i32(9))] },
  'if without else': { body: [get(0), when(VOID, [i32(5), set(0)]), get(0)] },
  'if with both arms of different length': { body: [get(0), when(I32, i32(1), [OPS.nop, OPS.nop, i32(2)])] },
  'if whose arm leaves an outer block': {
    body: [block(VOID, get(0), when(VOID, br(1)), OPS.nop, OPS.nop), get(0)],
  },
  'a counted loop': { body: [loop(VOID, decrement(0), brIf(0)), get(0)] },
  'nested loops': {
    locals: ['i32', 'i32'],
    body: [
      loop(
        VOID,
        i32(3),
        set(1),
        loop(VOID, get(2), i32(1), OPS.i32Add, set(2), decrement(1), brIf(0)),
        decrement(0),
        brIf(0),
      ),
      get(2),
    ],
  },
  'a loop left from inside an inner loop': {
    body: [
      block(
        VOID,
        loop(VOID, loop(VOID, decrement(0), OPS.i32Eqz, brIf(2), get(0), i32(3), OPS.i32And, brIf(0)), br(0)),
      ),
      get(0),
    ],
  },
  'continue by an inner branch to the loop': {
    locals: ['i32'],
    body: [
      loop(
        VOID,
        decrement(0),
        when(VOID, [get(0), i32(1), OPS.i32And, brIf(1), get(1), i32(1), OPS.i32Add, set(1), br(1)]),
      ),
      get(1),
    ],
  },
  'a loop that takes and gives values': {
    spec: { types: [funcType(['i32', 'i32'], ['i32'])] },
    locals: ['i32'],
    body: [
      get(0),
      i32(0),
      loop(0, i32(2), OPS.i32Add, set(1), i32(1), OPS.i32Sub, tee(0), get(1), get(0), brIf(0), OPS.i32Add),
    ],
  },
  'blocks of several values': {
    spec: { types: [funcType(['i32'], ['i32', 'i32'])] },
    body: [get(0), block(0, i32(4), get(0), brIf(0), OPS.drop, i32(6)), OPS.i32Add],
  },
  'br_table to every depth': {
    body: [
      block(VOID, block(VOID, block(VOID, get(0), brTable([0, 1, 2], 1)), OPS.nop), OPS.nop, OPS.nop),
      get(0),
    ],
  },
  'br_table to the function itself': {
    body: [block(I32, i32(3), get(0), brTable([0], 1)), i32(1), OPS.i32Add],
  },
  'early return': { body: [get(0), when(VOID, [i32(8), OPS.return]), OPS.nop, i32(1)] },
  'return from nested blocks with operands to spare': {
    body: [i32(1), block(VOID, loop(VOID, i32(2), i32(3), get(0), brIf(2), OPS.return)), OPS.unreachable],
  },
  'a branch to the function label': { body: [i32(5), get(0), brIf(0), i32(1), OPS.i32Add] },
  'dead code after br': {
    body: [block(I32, i32(4), br(0), OPS.nop, block(VOID, loop(VOID, br(0))), when(VOID, OPS.nop, OPS.nop))],
  },
  'dead code after return': { body: [get(0), OPS.return, i32(1), OPS.i32Add, call(0)] },
  'dead arms': { body: [get(0), when(I32, [i32(1), OPS.return, OPS.nop], [i32(2), br(1), OPS.nop])] },
  'unreachable in an arm': { body: [get(0), when(VOID, OPS.nop, OPS.unreachable), get(0)] },
  'a division that traps for 0': { body: [i32(10), get(0), OPS.i32DivU] },
  'a read that traps for large arguments': { body: [get(0), i32(30_000), OPS.i32Mul, 0x28, 2, 0] },
  'calls, one in a loop': {
    more: [
      {
        params: ['i32'],
        results: ['i32'],
        body: [get(0), i32(3), OPS.i32And, when(I32, i32(1), [OPS.nop, i32(2)])],
      },
    ],
    locals: ['i32'],
    body: [loop(VOID, get(0), call(1), get(1), OPS.i32Add, set(1), decrement(0), brIf(0)), get(1)],
  },
  'a call between an early return and a loop': {
    more: [{ body: [OPS.nop, OPS.nop] }],
    body: [call(1), get(0), when(VOID, [call(1), i32(2), OPS.return]), loop(VOID, call(1)), call(1), i32(3)],
  },
  'call_indirect to two functions, and to one of another type': {
    spec: { types: [funcType(['i32'], ['i32'])], table: 4, elements: [1, 2, 3] },
    more: [
      { params: ['i32'], results: ['i32'], body: [get(0)] },
      { params: ['i32'], results: ['i32'], body: [OPS.nop, OPS.nop, i32(1)] },
      { body: [OPS.nop] },
    ],
    body: [i32(3), get(0), callIndirect(0)],
  },
  'several results': {
    more: [{ params: ['i32'], results: ['i32', 'i64', 'i32'], body: [i32(1), i64(2), get(0)] }],
    body: [get(0), call(1), set(0), OPS.drop, OPS.drop, get(0)],
  },
  'several results by early return': {
    more: [
      {
        params: ['i32'],
        results: ['i32', 'i32'],
        body: [i32(1), i32(2), get(0), brIf(0), OPS.nop, OPS.drop, i32(3), OPS.return],
      },
    ],
    body: [get(0), call(1), OPS.i32Add],
  },
  globals: {
    spec: {
      globals: [
        { type: [TYPE.i32], mutable: true, init: i32(4) },
        { type: [TYPE.i64], init: i64(1) },
        { type: [TYPE.i64], mutable: true, init: i64(-5) },
      ],
    },
    body: [
      globalGet(0),
      get(0),
      OPS.i32Add,
      globalSet(0),
      globalGet(2),
      globalGet(1),
      OPS.i64Add,
      globalSet(2),
      globalGet(0),
    ],
  },
  'memory.fill of 0 to many bytes': { body: [i32(16), i32(0xab), get(0), i32(13), OPS.i32Mul, fill, get(0)] },
  'memory.copy in a loop': {
    spec: { data: [{ at: 0, bytes: [1, 2, 3, 4, 5, 6, 7, 8] }] },
    body: [loop(VOID, get(0), i32(1), i32(9), copy, decrement(0), brIf(0)), get(0)],
  },
  'memory.grow': { body: [get(0), i32(1), OPS.i32And, grow, 0x3f, 0, OPS.i32Add], mayGrow: true },
  'memory.grow beyond the maximum': { body: [get(0), grow], mayGrow: true },
  'memory.grow where it is not allowed': { body: [get(0), grow] },
  'an endless loop': { body: [loop(VOID, br(0)), OPS.unreachable] },
  'nothing but a return': { body: [get(0), OPS.return] },
}

const ARGUMENTS = [0, 1, 2, 3, 5, 8, 1000]

test.each(Object.entries(SHAPES))('%s: fuel and behaviour equal the interpreter', (_, shape) => {
  const bytes = buildModule({
    ...shape.spec,
    functions: [
      { params: ['i32'], results: ['i32'], locals: shape.locals ?? [], body: shape.body, export: 'f' },
      ...(shape.more ?? []),
    ],
  })
  expect(WebAssembly.validate(new Uint8Array(bytes))).toBe(true)
  for (const argument of ARGUMENTS) {
    const args = [{ type: 'i32' as const, bits: BigInt(argument) }]
    const invocation = { name: 'f', args, fuelMax: 100_000, mayGrow: shape.mayGrow ?? false }
    expect(compareRuns(bytes, invocation).differences, `for ${argument}`).toEqual([])
  }
})
