// The bytes of a module. Canonical: sections in order, numbers in their shortest form, no custom sections.

import {
  newWriter,
  readerOf,
  type Writer,
  writeByte,
  writeBytes,
  writeName,
  writeU32,
  written,
} from './wasm-bytes.ts'
import { copyInstruction, readInstruction } from './wasm-instruction.ts'
import {
  EXPORT_KINDS,
  type FunctionType,
  type Limits,
  VALUE_CODES,
  type ValueType,
  type WasmModule,
} from './wasm-module.ts'
import { OP } from './wasm-opcodes.ts'

/** A module whose bodies are bytes already: locals, instructions and the closing end. */
export type WritableModule = Omit<WasmModule, 'bytes' | 'unread' | 'bodies'> & {
  readonly bodies: readonly Uint8Array[]
}

/** Encodes a module. */
export function writeModule(module: WritableModule): Uint8Array {
  const out = newWriter(64 * 1024)
  writeBytes(out, [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
  section(out, 1, module.types, writeFunctionType)
  section(out, 3, module.functions, writeU32)
  section(out, 4, module.table === undefined ? [] : [module.table], (into, limits) => {
    writeByte(into, 0x70)
    writeLimits(into, limits)
  })
  section(out, 5, module.memory === undefined ? [] : [module.memory], writeLimits)
  section(out, 6, module.globals, (into, { type, mutable, init }) => {
    writeByte(into, VALUE_CODES[type])
    writeByte(into, mutable ? 1 : 0)
    writeConstant(into, init)
  })
  section(out, 7, module.exports, (into, { name, kind, index }) => {
    writeName(into, name)
    writeByte(into, EXPORT_KINDS.indexOf(kind))
    writeU32(into, index)
  })
  section(out, 9, module.elements, (into, { offset, functions }) => {
    writeByte(into, 0)
    writeConstant(into, offset)
    list(into, functions, writeU32)
  })
  section(out, 10, module.bodies, (into, body) => {
    writeU32(into, body.length)
    writeBytes(into, body)
  })
  section(out, 11, module.data, (into, { offset, bytes }) => {
    writeByte(into, 0)
    writeConstant(into, offset)
    writeU32(into, bytes.length)
    writeBytes(into, bytes)
  })
  return written(out)
}

/** The locals at the head of a body, runs of one type joined. */
export function writeLocals(
  out: Writer,
  locals: readonly (readonly [count: number, type: ValueType])[],
): void {
  const runs: [number, ValueType][] = []
  for (const [count, type] of locals) {
    const last = runs.at(-1)
    if (last?.[1] === type) last[0] += count
    else if (count > 0) runs.push([count, type])
  }
  list(out, runs, (into, [count, type]) => {
    writeU32(into, count)
    writeByte(into, VALUE_CODES[type])
  })
}

function section<T>(
  out: Writer,
  id: number,
  items: readonly T[],
  write: (out: Writer, item: T) => void,
): void {
  if (items.length === 0) return
  const content = newWriter(1024)
  list(content, items, write)
  writeByte(out, id)
  writeU32(out, content.length)
  writeBytes(out, written(content))
}

function list<T>(out: Writer, items: readonly T[], write: (out: Writer, item: T) => void): void {
  writeU32(out, items.length)
  for (const entry of items) write(out, entry)
}

function writeFunctionType(out: Writer, { params, results }: FunctionType): void {
  writeByte(out, 0x60)
  for (const types of [params, results]) list(out, types, (into, type) => writeByte(into, VALUE_CODES[type]))
}

function writeLimits(out: Writer, { min, max }: Limits): void {
  writeByte(out, max === undefined ? 0 : 1)
  writeU32(out, min)
  if (max !== undefined) writeU32(out, max)
}

function writeConstant(out: Writer, init: Uint8Array): void {
  copyInstruction(out, init, readInstruction(readerOf(init)))
  writeByte(out, OP.end)
}
