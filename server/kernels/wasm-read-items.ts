// Globals and segments: the parts of a module that carry constant expressions.

import { Refused } from './admit-refusals.ts'
import { type Reader, readByte, readBytes, readCount, readerOf, readS33, readU32 } from './wasm-bytes.ts'
import { readInstruction } from './wasm-instruction.ts'
import type { DataSegment, ElementSegment, Global } from './wasm-module.ts'
import { OP } from './wasm-opcodes.ts'
import { readValueType } from './wasm-read-types.ts'

const CONSTANTS: ReadonlySet<number> = new Set([
  OP.i32Const,
  OP.i64Const,
  OP.f32Const,
  OP.f64Const,
  OP.v128Const,
])

/** A global. Mutable vectors and all references are refused: JavaScript cannot read them, so no checkpoint could. */
export function readGlobal(reader: Reader, index: number): Global {
  const start = reader.at
  const kind = readByte(reader)
  if (kind === 0x70 || kind === 0x6f || kind === 0x63 || kind === 0x64)
    throw new Refused('reference_global', `global ${index} holds a reference`)
  reader.at = start
  const type = readValueType(reader)
  const flags = readByte(reader)
  if (flags > 1) throw new Refused('threads', `global ${index} is shared`)
  if (flags === 1 && type === 'v128') throw new Refused('mutable_v128_global', `global ${index}`)
  return { type, mutable: flags === 1, init: readConstant(reader) }
}

/** An active element segment of function indices. */
export function readElement(reader: Reader, index: number): ElementSegment {
  const flags = readU32(reader)
  if (flags & 1) throw new Refused('passive_segments', `element segment ${index} is passive or declarative`)
  if (flags > 2) throw new Refused('reference_types', `element segment ${index} holds expressions`)
  if (flags === 2 && readU32(reader) !== 0) throw new Refused('multiple_tables', `element segment ${index}`)
  const offset = readConstant(reader)
  if (flags === 2 && readByte(reader) !== 0) throw new Refused('reference_types', `element segment ${index}`)
  return { offset, functions: Array.from({ length: readCount(reader) }, () => readU32(reader)) }
}

/** An active data segment. */
export function readData(reader: Reader, index: number): DataSegment {
  const flags = readU32(reader)
  if (flags === 1) throw new Refused('passive_segments', `data segment ${index} is passive`)
  if (flags === 2 && readU32(reader) !== 0) throw new Refused('second_memory', `data segment ${index}`)
  const offset = readConstant(reader)
  return { offset, bytes: readBytes(reader, readU32(reader)) }
}

/** The unsigned value of an i32 constant: where a segment lies. */
export function constantOffset(init: Uint8Array): number {
  return readS33(readerOf(init, 1)) >>> 0
}

function readConstant(reader: Reader): Uint8Array {
  const instruction = readInstruction(reader)
  if (!CONSTANTS.has(instruction.op) || readByte(reader) !== OP.end)
    throw new Refused(
      'extended_const',
      `byte ${instruction.start}: an initial value that is not one constant`,
    )
  return reader.bytes.subarray(instruction.start, instruction.end)
}
