// The instructions that kernels may use, and the names under which all others are refused.

import type { RefusalCode } from './admit-refusals.ts'

/**
 * Immediates, one letter each: u unsigned LEB, a alignment, s signed LEB, b block type, t branch table, z an index that must be
 * zero, 1 4 8 f that many (f: 16) raw bytes. `pop` and `push` count operands; control instructions, whose counts
 * depend on types, have 0 and are computed where they are used.
 */
export interface Shape {
  readonly immediates: string
  readonly pop: number
  readonly push: number
}

type Row = readonly [from: number, to: number, immediates: string, pop: number, push: number]

export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i64LtS: 0x53,
  i64GtU: 0x56,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Shl: 0x86,
  i64ExtendI32U: 0xad,
  memoryCopy: 0xfc0a,
  memoryFill: 0xfc0b,
  v128Const: 0xfd0c,
} as const

// Opcodes behind a prefix byte are written prefix << 8 | number.
const ROWS: readonly Row[] = [
  [0x00, 0x01, '', 0, 0], // unreachable, nop
  [0x02, 0x04, 'b', 0, 0], // block, loop, if
  [0x05, 0x05, '', 0, 0], // else
  [0x0b, 0x0b, '', 0, 0], // end
  [0x0c, 0x0c, 'u', 0, 0], // br
  [0x0d, 0x0d, 'u', 1, 0], // br_if
  [0x0e, 0x0e, 't', 1, 0], // br_table
  [0x0f, 0x0f, '', 0, 0], // return
  [0x10, 0x10, 'u', 0, 0], // call
  [0x11, 0x11, 'uz', 1, 0], // call_indirect: its table index, besides arguments and results
  [0x1a, 0x1a, '', 1, 0], // drop
  [0x1b, 0x1b, '', 3, 1], // select
  [0x20, 0x20, 'u', 0, 1], // local.get
  [0x21, 0x21, 'u', 1, 0], // local.set
  [0x22, 0x22, 'u', 1, 1], // local.tee
  [0x23, 0x23, 'u', 0, 1], // global.get
  [0x24, 0x24, 'u', 1, 0], // global.set
  [0x28, 0x35, 'au', 1, 1], // loads
  [0x36, 0x3e, 'au', 2, 0], // stores
  [0x3f, 0x3f, 'z', 0, 1], // memory.size
  [0x40, 0x40, 'z', 1, 1], // memory.grow
  [0x41, 0x42, 's', 0, 1], // i32.const, i64.const
  [0x43, 0x43, '4', 0, 1], // f32.const
  [0x44, 0x44, '8', 0, 1], // f64.const
  [0x45, 0x45, '', 1, 1], // i32.eqz
  [0x46, 0x4f, '', 2, 1], // i32 comparisons
  [0x50, 0x50, '', 1, 1], // i64.eqz
  [0x51, 0x66, '', 2, 1], // i64, f32, f64 comparisons
  [0x67, 0x69, '', 1, 1], // i32 clz, ctz, popcnt
  [0x6a, 0x78, '', 2, 1], // i32 arithmetic
  [0x79, 0x7b, '', 1, 1], // i64 clz, ctz, popcnt
  [0x7c, 0x8a, '', 2, 1], // i64 arithmetic
  [0x8b, 0x91, '', 1, 1], // f32 unary
  [0x92, 0x98, '', 2, 1], // f32 binary
  [0x99, 0x9f, '', 1, 1], // f64 unary
  [0xa0, 0xa6, '', 2, 1], // f64 binary
  [0xa7, 0xbf, '', 1, 1], // conversions
  [0xc0, 0xc4, '', 1, 1], // sign extension
  [0xfc00, 0xfc07, '', 1, 1], // saturating conversion
  [0xfc0a, 0xfc0a, 'zz', 3, 0], // memory.copy
  [0xfc0b, 0xfc0b, 'z', 3, 0], // memory.fill
  [0xfd00, 0xfd0a, 'au', 1, 1], // v128 loads
  [0xfd0b, 0xfd0b, 'au', 2, 0], // v128.store
  [0xfd0c, 0xfd0c, 'f', 0, 1], // v128.const
  [0xfd0d, 0xfd0d, 'f', 2, 1], // i8x16.shuffle
  [0xfd0e, 0xfd0e, '', 2, 1], // i8x16.swizzle
  [0xfd0f, 0xfd14, '', 1, 1], // splats
  [0xfd15, 0xfd16, '1', 1, 1], // i8x16.extract_lane
  [0xfd17, 0xfd17, '1', 2, 1], // i8x16.replace_lane
  [0xfd18, 0xfd19, '1', 1, 1], // i16x8.extract_lane
  [0xfd1a, 0xfd1a, '1', 2, 1],
  [0xfd1b, 0xfd1b, '1', 1, 1], // i32x4
  [0xfd1c, 0xfd1c, '1', 2, 1],
  [0xfd1d, 0xfd1d, '1', 1, 1], // i64x2
  [0xfd1e, 0xfd1e, '1', 2, 1],
  [0xfd1f, 0xfd1f, '1', 1, 1], // f32x4
  [0xfd20, 0xfd20, '1', 2, 1],
  [0xfd21, 0xfd21, '1', 1, 1], // f64x2
  [0xfd22, 0xfd22, '1', 2, 1],
  [0xfd23, 0xfd4c, '', 2, 1], // comparisons
  [0xfd4d, 0xfd4d, '', 1, 1], // v128.not
  [0xfd4e, 0xfd51, '', 2, 1], // and, andnot, or, xor
  [0xfd52, 0xfd52, '', 3, 1], // bitselect
  [0xfd53, 0xfd53, '', 1, 1], // any_true
  [0xfd54, 0xfd57, 'au1', 2, 1], // load lanes
  [0xfd58, 0xfd5b, 'au1', 2, 0], // store lanes
  [0xfd5c, 0xfd5d, 'au', 1, 1], // load32_zero, load64_zero
  [0xfd5e, 0xfd64, '', 1, 1], // demote, promote; i8x16 abs to bitmask
  [0xfd65, 0xfd66, '', 2, 1], // narrow
  [0xfd67, 0xfd6a, '', 1, 1], // f32x4 rounding
  [0xfd6b, 0xfd73, '', 2, 1],
  [0xfd74, 0xfd75, '', 1, 1], // f64x2 ceil, floor
  [0xfd76, 0xfd79, '', 2, 1],
  [0xfd7a, 0xfd7a, '', 1, 1], // f64x2.trunc
  [0xfd7b, 0xfd7b, '', 2, 1],
  [0xfd7c, 0xfd81, '', 1, 1], // extadd_pairwise; i16x8 abs, neg
  [0xfd82, 0xfd82, '', 2, 1],
  [0xfd83, 0xfd84, '', 1, 1],
  [0xfd85, 0xfd86, '', 2, 1],
  [0xfd87, 0xfd8a, '', 1, 1], // i16x8 extend
  [0xfd8b, 0xfd93, '', 2, 1],
  [0xfd94, 0xfd94, '', 1, 1], // f64x2.nearest
  [0xfd95, 0xfd99, '', 2, 1],
  [0xfd9b, 0xfd9f, '', 2, 1],
  [0xfda0, 0xfda1, '', 1, 1], // i32x4 abs, neg
  [0xfda3, 0xfda4, '', 1, 1],
  [0xfda7, 0xfdaa, '', 1, 1], // i32x4 extend
  [0xfdab, 0xfdae, '', 2, 1],
  [0xfdb1, 0xfdb1, '', 2, 1],
  [0xfdb5, 0xfdba, '', 2, 1],
  [0xfdbc, 0xfdbf, '', 2, 1],
  [0xfdc0, 0xfdc1, '', 1, 1], // i64x2 abs, neg
  [0xfdc3, 0xfdc4, '', 1, 1],
  [0xfdc7, 0xfdca, '', 1, 1], // i64x2 extend
  [0xfdcb, 0xfdce, '', 2, 1],
  [0xfdd1, 0xfdd1, '', 2, 1],
  [0xfdd5, 0xfddf, '', 2, 1],
  [0xfde0, 0xfde1, '', 1, 1], // f32x4 abs, neg
  [0xfde3, 0xfde3, '', 1, 1], // f32x4.sqrt
  [0xfde4, 0xfdeb, '', 2, 1],
  [0xfdec, 0xfded, '', 1, 1], // f64x2 abs, neg
  [0xfdef, 0xfdef, '', 1, 1], // f64x2.sqrt
  [0xfdf0, 0xfdf7, '', 2, 1],
  [0xfdf8, 0xfdff, '', 1, 1], // conversions
]

const SHAPES: ReadonlyMap<number, Shape> = new Map(
  ROWS.flatMap(([from, to, immediates, pop, push]) =>
    Array.from({ length: to - from + 1 }, (_, i) => [from + i, { immediates, pop, push }] as const),
  ),
)

type Foreign = readonly [from: number, to: number, code: RefusalCode, name: string]

const FOREIGN: readonly Foreign[] = [
  [0x06, 0x0a, 'exceptions', 'try, catch, throw'],
  [0x12, 0x13, 'tail_calls', 'return_call'],
  [0x14, 0x14, 'function_references', 'call_ref'],
  [0x15, 0x15, 'tail_calls', 'return_call_ref'],
  [0x18, 0x19, 'exceptions', 'delegate, catch_all'],
  [0x1c, 0x1c, 'reference_types', 'select with a type'],
  [0x1f, 0x1f, 'exceptions', 'try_table'],
  [0x25, 0x25, 'reference_types', 'table.get'],
  [0x26, 0x26, 'table_writes', 'table.set'],
  [0xd0, 0xd2, 'reference_types', 'ref.null, ref.is_null, ref.func'],
  [0xd3, 0xd3, 'gc', 'ref.eq'],
  [0xd4, 0xd6, 'function_references', 'ref.as_non_null, br_on_null'],
  [0xe0, 0xe6, 'stack_switching', 'continuations'],
  [0xfb00, 0xfbffff, 'gc', 'structs, arrays, casts'],
  [0xfc08, 0xfc08, 'passive_segments', 'memory.init'],
  [0xfc09, 0xfc09, 'passive_segments', 'data.drop'],
  [0xfc0c, 0xfc0c, 'table_writes', 'table.init'],
  [0xfc0d, 0xfc0d, 'passive_segments', 'elem.drop'],
  [0xfc0e, 0xfc0e, 'table_writes', 'table.copy'],
  [0xfc0f, 0xfc0f, 'table_writes', 'table.grow'],
  [0xfc10, 0xfc10, 'reference_types', 'table.size'],
  [0xfc11, 0xfc11, 'table_writes', 'table.fill'],
  [0xfc13, 0xfc16, 'wide_arithmetic', 'i64.add128'],
  [0xfd100, 0xfd11f, 'relaxed_simd', 'relaxed SIMD'],
  [0xfd120, 0xfd1ff, 'half_precision', 'f16x8'],
  [0xfe00, 0xfeffff, 'threads', 'atomics'],
]

/** The shape of an admitted instruction, undefined for every other opcode. */
export const shapeOf = (op: number): Shape | undefined => SHAPES.get(op)

/** Under which code an instruction outside the admitted set is refused, and how it is called. */
export function foreignOp(op: number): { code: RefusalCode; name: string } {
  const row = FOREIGN.find(([from, to]) => from <= op && op <= to)
  return row === undefined
    ? { code: 'unknown_feature', name: `opcode 0x${op.toString(16)}` }
    : { code: row[2], name: row[3] }
}

/** The opcode behind a prefix byte as one number. Numbers above 0xFF keep their digits: 0xFD 0x100 is 0xfd100. */
export const prefixed = (prefix: number, sub: number): number =>
  (sub > 0xff ? prefix * 0x1000 : prefix * 0x100) + sub
