// The sections of a module. Foreign features are refused by name; reading goes on where the bytes allow it, so that an
// author hears of everything at once.

import {
  FUNCTION_BYTES_MAX,
  FUNCTIONS_MAX,
  LOCALS_MAX,
  SECTION_ITEMS_MAX,
  TABLE_ENTRIES_MAX,
} from '#protocol/limits.ts'
import { collecting, type Refusals, Refused, refuse } from './admit-refusals.ts'
import {
  malformed,
  type Reader,
  readByte,
  readBytes,
  readCount,
  readerOf,
  readName,
  readSlice,
  readU32,
} from './wasm-bytes.ts'
import {
  type DataSegment,
  type ElementSegment,
  EXPORT_KINDS,
  type Export,
  type FunctionBody,
  type FunctionType,
  type Global,
  type Limits,
  type WasmModule,
} from './wasm-module.ts'
import { readData, readElement, readGlobal } from './wasm-read-items.ts'
import { readFunctionType, readLimits, readReferenceType, readValueType } from './wasm-read-types.ts'

interface Sections {
  types: FunctionType[]
  functions: number[]
  table: Limits | undefined
  memory: Limits | undefined
  globals: Global[]
  exports: Export[]
  elements: ElementSegment[]
  bodies: FunctionBody[]
  data: DataSegment[]
}

/**
 * Reads a module that the engine has validated. Throws Refused where the rest cannot be read; what it can skip it
 * adds to `refusals`. The result is complete only if nothing was refused.
 */
export function readModule(bytes: Uint8Array, refusals: Refusals): WasmModule {
  const reader = readerOf(bytes)
  const preamble = readBytes(reader, 8)
  const expected = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
  if (expected.some((byte, i) => preamble[i] !== byte)) throw malformed(reader, 'not a module of version 1')
  const sections: Sections = {
    types: [],
    functions: [],
    table: undefined,
    memory: undefined,
    globals: [],
    exports: [],
    elements: [],
    bodies: [],
    data: [],
  }
  const unread = new Set<number>()
  while (reader.at < reader.end) {
    const id = readByte(reader)
    const section = readSlice(reader, readU32(reader))
    const read = collecting(refusals, () => {
      readSection(id, section, sections, refusals)
      return true
    })
    if (read === undefined) unread.add(id)
  }
  return { bytes, unread, ...sections }
}

function readSection(id: number, section: Reader, into: Sections, refusals: Refusals): void {
  switch (id) {
    case 0: // custom: names, producers, hints. They change nothing that runs, and are dropped
    case 12: // the number of data segments; only passive ones need it
      return
    case 1:
      into.types = each(section, index => readFunctionType(section, index))
      break
    case 2:
      refuseImports(section)
      return
    case 3:
      into.functions = each(section, () => readU32(section))
      if (into.functions.length > FUNCTIONS_MAX)
        throw new Refused(
          'too_many_functions',
          `${into.functions.length} functions; the limit is ${FUNCTIONS_MAX}`,
        )
      break
    case 4:
      into.table = readTables(section)
      break
    case 5:
      into.memory = readMemories(section, refusals)
      break
    case 6:
      into.globals = each(section, index => readGlobal(section, index))
      break
    case 7:
      into.exports = each(section, () => readExport(section))
      break
    case 8:
      throw new Refused('start_section', `function ${readU32(section)} starts by itself`)
    case 9:
      into.elements = each(section, index => readElement(section, index))
      break
    case 10:
      into.bodies = each(section, index => readBody(section, index))
      break
    case 11:
      into.data = each(section, index => readData(section, index))
      break
    case 13:
      throw new Refused('exceptions', 'the module has a tag section')
    default:
      throw new Refused('unknown_feature', `the module has a section ${id}`)
  }
  if (section.at !== section.end) throw malformed(section, `section ${id} goes on after its end`)
}

function each<T>(section: Reader, read: (index: number) => T): T[] {
  const count = readCount(section)
  if (count > SECTION_ITEMS_MAX)
    throw new Refused('module_too_large', `${count} items in a section; the limit is ${SECTION_ITEMS_MAX}`)
  return Array.from({ length: count }, (_, index) => read(index))
}

function refuseImports(section: Reader): void {
  const count = readU32(section)
  if (count === 0) return
  const from = readName(section)
  throw new Refused(
    'imports',
    `${count} imports, the first is ${JSON.stringify(from)} ${JSON.stringify(readName(section))}`,
  )
}

function readTables(section: Reader): Limits | undefined {
  const count = readU32(section)
  if (count > 1) throw new Refused('multiple_tables', `${count} tables`)
  if (count === 0) return undefined
  readReferenceType(section)
  const limits = readLimits(section)
  if (limits.min > TABLE_ENTRIES_MAX)
    throw new Refused('table_too_large', `${limits.min} entries; the limit is ${TABLE_ENTRIES_MAX}`)
  return limits
}

function readMemories(section: Reader, refusals: Refusals): Limits | undefined {
  const count = readU32(section)
  // The first memory is read even so: its own faults are worth hearing of.
  if (count > 1) refuse(refusals, 'second_memory', `${count} memories`)
  if (count === 0) return undefined
  const limits = readLimits(section)
  if (count > 1) section.at = section.end
  return limits
}

function readExport(section: Reader): Export {
  const name = readName(section)
  const kind = readByte(section)
  const known = EXPORT_KINDS[kind]
  if (known === undefined)
    throw new Refused(
      kind === 4 ? 'exceptions' : 'unknown_feature',
      `export ${JSON.stringify(name)} of kind ${kind}`,
    )
  return { name, kind: known, index: readU32(section) }
}

function readBody(section: Reader, index: number): FunctionBody {
  const length = readU32(section)
  if (length > FUNCTION_BYTES_MAX)
    throw new Refused(
      'function_too_large',
      `function ${index} has ${length} bytes; the limit is ${FUNCTION_BYTES_MAX}`,
    )
  const body = readSlice(section, length)
  let total = 0
  const locals = Array.from({ length: readCount(body) }, () => {
    const count = readU32(body)
    total += count
    return [count, readValueType(body)] as const
  })
  if (total > LOCALS_MAX)
    throw new Refused('too_many_locals', `function ${index}: ${total} locals; the limit is ${LOCALS_MAX}`)
  return { locals, start: body.at, end: body.end }
}
