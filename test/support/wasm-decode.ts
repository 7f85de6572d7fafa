// The oracle's own reading of a module: trusting (the engine validated the bytes) and without the reader under test.

import type { Type } from './wasm-builder.ts'

export interface OracleInstruction {
  readonly op: number // prefix * 256 + number
  readonly bytes: Uint8Array
  readonly numbers: readonly number[] // LEB immediates
  partner: number // of block, loop, if: where the matching end is; of else too
  alternative: number // of if: where the else is, or -1
}

export interface OracleType {
  readonly params: readonly Type[]
  readonly results: readonly Type[]
}

export interface OracleFunction {
  readonly type: OracleType
  readonly locals: readonly Type[]
  readonly code: readonly OracleInstruction[]
}

export interface OracleModule {
  readonly types: readonly OracleType[]
  readonly functions: readonly OracleFunction[]
  readonly memory: { min: number; max: number }
  readonly globals: readonly { readonly mutable: boolean; readonly init: OracleInstruction }[]
  readonly exports: ReadonlyMap<string, number> // functions only
  readonly table: readonly number[]
  readonly data: readonly { readonly at: number; readonly bytes: Uint8Array }[]
}

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

const TYPES: Readonly<Record<number, Type>> = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128' }

export function decodeModule(bytes: Uint8Array): OracleModule {
  const sections = new Map<number, Cursor>()
  for (const c: Cursor = { bytes, at: 8 }; c.at < bytes.length; ) {
    const id = byte(c)
    const length = unsigned(c)
    sections.set(id, { bytes, at: c.at })
    c.at += length
  }
  const section = <T>(id: number, read: (c: Cursor) => T): T[] => {
    const c = sections.get(id)
    return c === undefined ? [] : list(c, read)
  }
  const types = section(1, c => {
    byte(c)
    const params = list(c, type)
    return { params, results: list(c, type) }
  })
  const typeOf = section(3, unsigned)
  const bodies = section(10, readBody)
  const functions = bodies.map((body, i) => ({ type: types[typeOf[i]!]!, ...body }))
  const [memory] = section(5, limits)
  const exports = section(7, c => ({ name: name(c), kind: byte(c), index: unsigned(c) }))
  const table: number[] = []
  for (const { at, functions: entries } of section(9, readElement)) {
    for (const [i, f] of entries.entries()) table[at + i] = f
  }
  return {
    types,
    functions,
    memory: memory ?? { min: 0, max: 0 },
    globals: section(6, c => {
      type(c)
      return { mutable: byte(c) === 1, init: constant(c) }
    }),
    exports: new Map(exports.filter(e => e.kind === 0).map(e => [e.name, e.index])),
    table,
    data: section(11, c => {
      unsigned(c)
      const at = constant(c).numbers[0]! >>> 0
      const length = unsigned(c)
      c.at += length
      return { at, bytes: bytes.subarray(c.at - length, c.at) }
    }),
  }
}

const byte = (c: Cursor): number => c.bytes[c.at++]!
const type = (c: Cursor): Type => TYPES[byte(c)]!

function unsigned(c: Cursor): number {
  const b = byte(c)
  return b < 128 ? b : b - 128 + 128 * unsigned(c)
}

/** Exact to 53 bits: enough for block types, offsets and i32; i64 constants are executed from their bytes. */
function signedNumber(c: Cursor): number {
  const b = byte(c)
  if (b < 128) return b < 64 ? b : b - 128
  return b - 128 + 128 * signedNumber(c)
}

const list = <T>(c: Cursor, read: (c: Cursor) => T): T[] => Array.from({ length: unsigned(c) }, () => read(c))

function name(c: Cursor): string {
  const length = unsigned(c)
  c.at += length
  return new TextDecoder().decode(c.bytes.subarray(c.at - length, c.at))
}

function limits(c: Cursor): { min: number; max: number } {
  const hasMax = byte(c) === 1
  const min = unsigned(c)
  return { min, max: hasMax ? unsigned(c) : 65_536 }
}

function readElement(c: Cursor): { at: number; functions: number[] } {
  unsigned(c)
  const at = constant(c).numbers[0]!
  return { at, functions: list(c, unsigned) }
}

function constant(c: Cursor): OracleInstruction {
  const value = instruction(c)
  byte(c) // end
  return value
}

function readBody(c: Cursor): { locals: Type[]; code: OracleInstruction[] } {
  const end = unsigned(c) + c.at
  const locals = list(c, () => {
    const count = unsigned(c)
    return new Array<Type>(count).fill(type(c))
  }).flat()
  const code: OracleInstruction[] = []
  const open: number[] = []
  while (c.at < end) {
    const next = instruction(c)
    const here = code.push(next) - 1
    if (next.op >= 2 && next.op <= 4) open.push(here)
    if (next.op === 5) code[open.at(-1)!]!.alternative = here
    if (next.op === 11) close(code, open.pop(), here)
  }
  return { locals, code }
}

function close(code: OracleInstruction[], opener: number | undefined, end: number): void {
  if (opener === undefined) return // the function's own
  const first = code[opener]!
  first.partner = end
  if (first.alternative >= 0) code[first.alternative]!.partner = end
}

function instruction(c: Cursor): OracleInstruction {
  const start = c.at
  const first = byte(c)
  const op = first >= 0xfc ? first * 256 + unsigned(c) : first
  const numbers = immediates(c, op)
  return { op, bytes: c.bytes.subarray(start, c.at), numbers, partner: -1, alternative: -1 }
}

function immediates(c: Cursor, op: number): number[] {
  if (op >= 2 && op <= 4) return [signedNumber(c)]
  if (op === 0x0e) {
    const labels = list(c, unsigned)
    return [...labels, unsigned(c)]
  }
  if (op === 0x41 || op === 0x42) return [signedNumber(c)]
  const simd = op - 0xfd00
  const raw =
    op === 0x43 ? 4 : op === 0x44 ? 8 : simd === 12 || simd === 13 ? 16 : simd >= 0x15 && simd <= 0x22 ? 1 : 0
  c.at += raw
  const numbers = Array.from({ length: unsignedCount(op) }, () => unsigned(c))
  if (simd >= 0x54 && simd <= 0x5b) c.at += 1
  return numbers
}

function unsignedCount(op: number): number {
  const simd = op - 0xfd00
  if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= 0x20 && op <= 0x24)) return 1
  if (op === 0x3f || op === 0x40 || op === 0xfc0b) return 1
  if (op === 0x11 || op === 0xfc0a || (op >= 0x28 && op <= 0x3e)) return 2
  return (simd >= 0 && simd <= 11) || (simd >= 0x54 && simd <= 0x5d) ? 2 : 0
}
