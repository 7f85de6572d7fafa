import { expect, test } from 'vitest'
import { foreignOp, prefixed, shapeOf } from '#kernels/wasm-opcodes.ts'
import { buildModule, type Code, i32, i64, OPS, TYPE, type Type, u32, v128 } from '#support/wasm-builder.ts'

const TYPES: readonly Type[] = ['i32', 'i64', 'f32', 'f64', 'v128']
const CONSTANT: Readonly<Record<Type, Code>> = {
  i32: i32(0),
  i64: i64(0),
  f32: [0x43, 0, 0, 0, 0],
  f64: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
  v128: v128(),
}

const valid = (body: Code): boolean =>
  WebAssembly.validate(
    new Uint8Array(
      buildModule({
        functions: [{ body, locals: ['i32'] }],
        globals: [{ type: [TYPE.i32], mutable: true, init: i32(0) }],
      }),
    ),
  )

/** Immediates that are valid for an instruction of any kind. */
const IMMEDIATES: Readonly<Record<string, Code>> = {
  u: [0],
  a: [0],
  s: [0],
  z: [0],
  1: [0],
  4: [0, 0, 0, 0],
  8: [0, 0, 0, 0, 0, 0, 0, 0],
  f: new Array(16).fill(0),
}

const encoded = (op: number): Code => (op > 0xff ? [op >> 16, u32(op & 0xffff)] : [op])

/** How many operands an instruction takes and gives, by what the engine accepts; undefined if it accepts nothing. */
function arityOf(instruction: Code): { pop: number; push: number } | undefined {
  for (const operands of operandLists)
    for (const push of [0, 1])
      if (valid([operands.map(type => CONSTANT[type]), instruction, push === 1 ? OPS.drop : []]))
        return { pop: operands.length, push }
  return undefined
}

const operandLists: readonly (readonly Type[])[] = [0, 1, 2, 3].flatMap(n => {
  let lists: Type[][] = [[]]
  for (let i = 0; i < n; i++) lists = lists.flatMap(list => TYPES.map(type => [...list, type]))
  return lists
})

const plain = Array.from({ length: 0x100 }, (_, i) => i).filter(op => op >= 0x1a && op < 0xfb)
const saturating = Array.from({ length: 0x20 }, (_, i) => prefixed(0xfc, i))
const vectors = Array.from({ length: 0x100 }, (_, i) => prefixed(0xfd, i))

test('every admitted instruction takes and gives as many operands as the engine says, with the immediates that it reads', () => {
  const admitted = [...plain, ...saturating, ...vectors].filter(op => shapeOf(op) !== undefined)
  expect(admitted.length).toBe(164 + 8 + 2 + 236)
  const wrong = admitted.filter(op => {
    const { immediates, pop, push } = shapeOf(op)!
    const arity = arityOf([encoded(op), Array.from(immediates, kind => IMMEDIATES[kind]!)])
    return arity?.pop !== pop || arity.push !== push
  })
  expect(wrong.map(op => op.toString(16))).toEqual([])
})

test('every SIMD128 opcode that the engine knows is admitted', () => {
  const missing = vectors.filter(op => shapeOf(op) === undefined && arityOf(encoded(op)) !== undefined)
  expect(missing).toEqual([])
})

test.each([
  [0x06, 'exceptions'],
  [0x08, 'exceptions'],
  [0x12, 'tail_calls'],
  [0x14, 'function_references'],
  [0x15, 'tail_calls'],
  [0x1c, 'reference_types'],
  [0x1f, 'exceptions'],
  [0x25, 'reference_types'],
  [0x26, 'table_writes'],
  [0xd0, 'reference_types'],
  [0xd3, 'gc'],
  [0xd5, 'function_references'],
  [0xe3, 'stack_switching'],
  [prefixed(0xfb, 0), 'gc'],
  [prefixed(0xfc, 8), 'passive_segments'],
  [prefixed(0xfc, 9), 'passive_segments'],
  [prefixed(0xfc, 12), 'table_writes'],
  [prefixed(0xfc, 17), 'table_writes'],
  [prefixed(0xfc, 19), 'wide_arithmetic'],
  [prefixed(0xfd, 0x100), 'relaxed_simd'],
  [prefixed(0xfd, 0x113), 'relaxed_simd'],
  [prefixed(0xfd, 0x120), 'half_precision'],
  [prefixed(0xfe, 3), 'threads'],
  [0x16, 'unknown_feature'],
  [prefixed(0xfd, 0x9a), 'unknown_feature'],
])('opcode %d is refused as %s', (op, code) => {
  expect(shapeOf(op)).toBeUndefined()
  expect(foreignOp(op).code).toBe(code)
})

test('no prefixed opcode shares its number with another', () => {
  const numbers = [0xfb, 0xfc, 0xfd, 0xfe].flatMap(prefix =>
    Array.from({ length: 0x200 }, (_, sub) => prefixed(prefix, sub)),
  )
  expect(new Set(numbers).size).toBe(numbers.length)
})
