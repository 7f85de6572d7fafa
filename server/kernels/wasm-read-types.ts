// Types: value types, function types, and the limits of tables and memories.

import { type RefusalCode, Refused } from './admit-refusals.ts'
import { type Reader, readByte, readCount, readU32 } from './wasm-bytes.ts'
import { type FunctionType, type Limits, VALUE_TYPES, type ValueType } from './wasm-module.ts'

/** A numeric or vector type. Throws Refused, by name, on any other. */
export function readValueType(reader: Reader): ValueType {
  const at = reader.at
  const byte = readByte(reader)
  const type = VALUE_TYPES.get(byte)
  if (type === undefined) throw new Refused(foreignType(byte), `byte ${at}: type 0x${byte.toString(16)}`)
  return type
}

/** A function type. Recursive groups, structs, arrays and continuations are refused by name. */
export function readFunctionType(reader: Reader, index: number): FunctionType {
  const form = readByte(reader)
  if (form !== 0x60) {
    const code = form === 0x5d ? 'stack_switching' : form >= 0x4e && form <= 0x5f ? 'gc' : 'unknown_feature'
    throw new Refused(code, `type ${index} has the form 0x${form.toString(16)}`)
  }
  const params = readValueTypes(reader)
  return { params, results: readValueTypes(reader) }
}

/** The element type of a table, which must be funcref. */
export function readReferenceType(reader: Reader): void {
  const byte = readByte(reader)
  if (byte === 0x70) return
  // 0x40: a table with an initial value, which came with typed function references.
  throw new Refused(
    byte === 0x40 ? 'function_references' : foreignType(byte),
    `a table of type 0x${byte.toString(16)}`,
  )
}

/** Minimum and maximum. Shared, 64-bit and custom-page ones are refused by name. */
export function readLimits(reader: Reader): Limits {
  const flags = readByte(reader)
  if (flags & 0x08) throw new Refused('custom_page_sizes', 'the memory states its page size')
  if (flags & 0x04) throw new Refused('memory64', 'the memory or table is addressed by 64 bits')
  if (flags & 0x02) throw new Refused('shared_memory', 'the memory is shared')
  if (flags > 1) throw new Refused('unknown_feature', `limits with flags 0x${flags.toString(16)}`)
  const min = readU32(reader)
  return { min, max: flags === 1 ? readU32(reader) : undefined }
}

function readValueTypes(reader: Reader): ValueType[] {
  return Array.from({ length: readCount(reader) }, () => readValueType(reader))
}

function foreignType(byte: number): RefusalCode {
  if (byte === 0x70 || byte === 0x6f) return 'reference_types'
  if (byte === 0x69 || byte === 0x74) return 'exceptions'
  if (byte === 0x68 || byte === 0x75) return 'stack_switching'
  if (byte === 0x63 || byte === 0x64) return 'function_references'
  return byte >= 0x65 && byte <= 0x78 ? 'gc' : 'unknown_feature'
}
