// One instruction at a time, from the bytes of a function body.

import { NESTING_MAX } from '#protocol/limits.ts'
import { Refused } from './admit-refusals.ts'
import {
  copyLeb,
  malformed,
  type Reader,
  readByte,
  readBytes,
  readCount,
  readerOf,
  readS33,
  readU32,
  type Writer,
  writeByte,
  writeBytes,
  writeU32,
} from './wasm-bytes.ts'
import { foreignOp, OP, prefixed, type Shape, shapeOf } from './wasm-opcodes.ts'

export interface Instruction {
  readonly op: number
  readonly shape: Shape
  readonly start: number // byte offsets in the module
  readonly end: number
  readonly index: number // the first immediate: label, function, type, local, global or the block type
  readonly targets: readonly number[] // of br_table, the default last
}

/** Reads one instruction. Throws Refused on malformed bytes and, by name, on instructions outside the admitted set. */
export function readInstruction(reader: Reader): Instruction {
  const start = reader.at
  const op = readOpcode(reader)
  const shape = shapeOf(op)
  if (shape === undefined) {
    const { code, name } = foreignOp(op)
    throw new Refused(code, `byte ${start}: ${name}`)
  }
  let index = 0
  let targets = NO_TARGETS
  for (let place = 0; place < shape.immediates.length; place++) {
    const kind = shape.immediates.charAt(place)
    if (kind === 't') targets = Array.from({ length: readCount(reader) + 1 }, () => readU32(reader))
    else {
      const value = readImmediate(reader, kind)
      if (place === 0) index = value
    }
  }
  return { op, shape, start, end: reader.at, index, targets }
}

/** Copies an instruction with all its numbers in their shortest form. */
export function copyInstruction(writer: Writer, bytes: Uint8Array, instruction: Instruction): void {
  const reader = readerOf(bytes, instruction.start, instruction.end)
  writeByte(writer, readByte(reader))
  if (instruction.op > 0xff) copyLeb(writer, reader, false)
  for (const kind of instruction.shape.immediates) {
    if (kind === 't') {
      const labels = readU32(reader)
      writeU32(writer, labels)
      for (let i = 0; i <= labels; i++) copyLeb(writer, reader, false)
    } else if ('uazw'.includes(kind)) copyLeb(writer, reader, false)
    else if (kind === 's' || kind === 'b') copyLeb(writer, reader, true)
    else writeBytes(writer, readBytes(reader, rawLength(kind)))
  }
}

/**
 * Visits the instructions of a body that can be reached within their block. What follows br, br_table, return or
 * unreachable up to the matching else or end is decoded, so that foreign instructions are refused there too, and left
 * out. `visit` gets the ordinal among the visited ones; the last visit is the body's own end.
 */
export function eachLive(body: Reader, visit: (instruction: Instruction, ordinal: number) => void): void {
  let depth = 1
  let deadDepth = 0 // blocks opened inside dead code
  let dead = false
  let ordinal = 0
  while (depth > 0) {
    const instruction = readInstruction(body)
    const { op } = instruction
    if (opens(op)) depth += 1
    if (depth > NESTING_MAX)
      throw new Refused('nesting_too_deep', `byte ${instruction.start}: more than ${NESTING_MAX} blocks`)
    if (op === OP.end) depth -= 1
    if (dead && (deadDepth > 0 || (op !== OP.end && op !== OP.else))) {
      if (opens(op)) deadDepth += 1
      else if (op === OP.end) deadDepth -= 1
      continue
    }
    dead = leaves(op)
    visit(instruction, ordinal)
    ordinal += 1
  }
  if (body.at !== body.end) throw malformed(body, 'a function goes on after its end')
}

const NO_TARGETS: readonly number[] = []

const opens = (op: number): boolean => op === OP.block || op === OP.loop || op === OP.if
const leaves = (op: number): boolean =>
  op === OP.br || op === OP.brTable || op === OP.return || op === OP.unreachable

function readOpcode(reader: Reader): number {
  const first = readByte(reader)
  return first >= 0xfb && first <= 0xfe ? prefixed(first, readU32(reader)) : first
}

function readImmediate(reader: Reader, kind: string): number {
  if (kind === 'u') return readU32(reader)
  if (kind === 'b') return readS33(reader)
  if (kind === 'z' || kind === 'w') {
    if (readU32(reader) === 0) return 0
    throw new Refused(
      kind === 'z' ? 'second_memory' : 'multiple_tables',
      `byte ${reader.at}: an index that is not 0`,
    )
  }
  if (kind === 'a') {
    // From 64 on the number says that a memory index follows, which would shift all that we read after it.
    if (readU32(reader) < 32) return 0
    throw new Refused('second_memory', `byte ${reader.at}: a memory access names its memory`)
  }
  if (kind === 's') {
    for (let place = 0; readByte(reader) > 0x7f; place++)
      if (place > 9) throw malformed(reader, 'a number is too long')
    return 0
  }
  readBytes(reader, rawLength(kind))
  return 0
}

const rawLength = (kind: string): number => (kind === 'f' ? 16 : Number(kind))
