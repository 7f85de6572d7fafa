// The instructions that kernels may use, and the names under which all others are refused.

import type { RefusalCode } from './admit-refusals.ts'

/**
 * Immediates, one letter each: u unsigned LEB, a alignment, s signed LEB, b block type, t branch table, z a memory and w a
 * table (0 is the only one), 1 4 8 f that many (f: 16) raw bytes. `pop` and `push` count operands; control instructions, whose counts
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
  memoryCopy: 0xfc000a,
  memoryFill: 0xfc000b,
  v128Const: 0xfd000c,
} as const

// Opcodes behind a prefix byte are written prefix << 16 | number.
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
  [0x11, 0x11, 'uw', 1, 0], // call_indirect: its table index, besides arguments and results
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
  [0xfc0000, 0xfc0007, '', 1, 1], // saturating conversion
  [0xfc000a, 0xfc000a, 'zz', 3, 0], // memory.copy
  [0xfc000b, 0xfc000b, 'z', 3, 0], // memory.fill
  [0xfd0000, 0xfd000a, 'au', 1, 1], // v128 loads
  [0xfd000b, 0xfd000b, 'au', 2, 0], // v128.store
  [0xfd000c, 0xfd000c, 'f', 0, 1], // v128.const
  [0xfd000d, 0xfd000d, 'f', 2, 1], // i8x16.shuffle
  [0xfd000e, 0xfd000e, '', 2, 1], // i8x16.swizzle
  [0xfd000f, 0xfd0014, '', 1, 1], // splats
  [0xfd0015, 0xfd0016, '1', 1, 1], // i8x16.extract_lane
  [0xfd0017, 0xfd0017, '1', 2, 1], // i8x16.replace_lane
  [0xfd0018, 0xfd0019, '1', 1, 1], // i16x8.extract_lane
  [0xfd001a, 0xfd001a, '1', 2, 1],
  [0xfd001b, 0xfd001b, '1', 1, 1], // i32x4
  [0xfd001c, 0xfd001c, '1', 2, 1],
  [0xfd001d, 0xfd001d, '1', 1, 1], // i64x2
  [0xfd001e, 0xfd001e, '1', 2, 1],
  [0xfd001f, 0xfd001f, '1', 1, 1], // f32x4
  [0xfd0020, 0xfd0020, '1', 2, 1],
  [0xfd0021, 0xfd0021, '1', 1, 1], // f64x2
  [0xfd0022, 0xfd0022, '1', 2, 1],
  [0xfd0023, 0xfd004c, '', 2, 1], // comparisons
  [0xfd004d, 0xfd004d, '', 1, 1], // v128.not
  [0xfd004e, 0xfd0051, '', 2, 1], // and, andnot, or, xor
  [0xfd0052, 0xfd0052, '', 3, 1], // bitselect
  [0xfd0053, 0xfd0053, '', 1, 1], // any_true
  [0xfd0054, 0xfd0057, 'au1', 2, 1], // load lanes
  [0xfd0058, 0xfd005b, 'au1', 2, 0], // store lanes
  [0xfd005c, 0xfd005d, 'au', 1, 1], // load32_zero, load64_zero
  [0xfd005e, 0xfd0064, '', 1, 1], // demote, promote; i8x16 abs to bitmask
  [0xfd0065, 0xfd0066, '', 2, 1], // narrow
  [0xfd0067, 0xfd006a, '', 1, 1], // f32x4 rounding
  [0xfd006b, 0xfd0073, '', 2, 1],
  [0xfd0074, 0xfd0075, '', 1, 1], // f64x2 ceil, floor
  [0xfd0076, 0xfd0079, '', 2, 1],
  [0xfd007a, 0xfd007a, '', 1, 1], // f64x2.trunc
  [0xfd007b, 0xfd007b, '', 2, 1],
  [0xfd007c, 0xfd0081, '', 1, 1], // extadd_pairwise; i16x8 abs, neg
  [0xfd0082, 0xfd0082, '', 2, 1],
  [0xfd0083, 0xfd0084, '', 1, 1],
  [0xfd0085, 0xfd0086, '', 2, 1],
  [0xfd0087, 0xfd008a, '', 1, 1], // i16x8 extend
  [0xfd008b, 0xfd0093, '', 2, 1],
  [0xfd0094, 0xfd0094, '', 1, 1], // f64x2.nearest
  [0xfd0095, 0xfd0099, '', 2, 1],
  [0xfd009b, 0xfd009f, '', 2, 1],
  [0xfd00a0, 0xfd00a1, '', 1, 1], // i32x4 abs, neg
  [0xfd00a3, 0xfd00a4, '', 1, 1],
  [0xfd00a7, 0xfd00aa, '', 1, 1], // i32x4 extend
  [0xfd00ab, 0xfd00ae, '', 2, 1],
  [0xfd00b1, 0xfd00b1, '', 2, 1],
  [0xfd00b5, 0xfd00ba, '', 2, 1],
  [0xfd00bc, 0xfd00bf, '', 2, 1],
  [0xfd00c0, 0xfd00c1, '', 1, 1], // i64x2 abs, neg
  [0xfd00c3, 0xfd00c4, '', 1, 1],
  [0xfd00c7, 0xfd00ca, '', 1, 1], // i64x2 extend
  [0xfd00cb, 0xfd00ce, '', 2, 1],
  [0xfd00d1, 0xfd00d1, '', 2, 1],
  [0xfd00d5, 0xfd00df, '', 2, 1],
  [0xfd00e0, 0xfd00e1, '', 1, 1], // f32x4 abs, neg
  [0xfd00e3, 0xfd00e3, '', 1, 1], // f32x4.sqrt
  [0xfd00e4, 0xfd00eb, '', 2, 1],
  [0xfd00ec, 0xfd00ed, '', 1, 1], // f64x2 abs, neg
  [0xfd00ef, 0xfd00ef, '', 1, 1], // f64x2.sqrt
  [0xfd00f0, 0xfd00f7, '', 2, 1],
  [0xfd00f8, 0xfd00ff, '', 1, 1], // conversions
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
  [0xfb0000, 0xfbffff, 'gc', 'structs, arrays, casts'],
  [0xfc0008, 0xfc0008, 'passive_segments', 'memory.init'],
  [0xfc0009, 0xfc0009, 'passive_segments', 'data.drop'],
  [0xfc000c, 0xfc000c, 'table_writes', 'table.init'],
  [0xfc000d, 0xfc000d, 'passive_segments', 'elem.drop'],
  [0xfc000e, 0xfc000e, 'table_writes', 'table.copy'],
  [0xfc000f, 0xfc000f, 'table_writes', 'table.grow'],
  [0xfc0010, 0xfc0010, 'reference_types', 'table.size'],
  [0xfc0011, 0xfc0011, 'table_writes', 'table.fill'],
  [0xfc0013, 0xfc0016, 'wide_arithmetic', 'i64.add128'],
  [0xfd0100, 0xfd011f, 'relaxed_simd', 'relaxed SIMD'],
  [0xfd0120, 0xfd01ff, 'half_precision', 'f16x8'],
  [0xfe0000, 0xfeffff, 'threads', 'atomics'],
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

/** The opcode behind a prefix byte as one number. */
export const prefixed = (prefix: number, sub: number): number => prefix * 0x10000 + Math.min(sub, 0xffff)
