// Reading and writing WebAssembly's primitive encodings. Readers throw Refused on bytes that end early or encode a
// number badly: admit() turns it into a refusal, no other caller exists.

import { Refused } from './admit-refusals.ts'

export interface Reader {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
}

export interface Writer {
  bytes: Uint8Array
  length: number
}

export const readerOf = (bytes: Uint8Array, at = 0, end = bytes.length): Reader => ({ bytes, at, end })

/** The next byte. */
export function readByte(reader: Reader): number {
  const byte = reader.at < reader.end ? reader.bytes[reader.at] : undefined
  if (byte === undefined) throw malformed(reader, 'the bytes end early')
  reader.at += 1
  return byte
}

/** An unsigned LEB128 of at most 32 bits. */
export function readU32(reader: Reader): number {
  let value = 0
  for (let place = 0; place < 5; place++) {
    const byte = readByte(reader)
    // Multiplication, not a shift: bit 31 must not become a sign.
    value += (byte & 0x7f) * 2 ** (7 * place)
    if (byte < 0x80) {
      if (value > 0xffff_ffff) break
      return value
    }
  }
  throw malformed(reader, 'a number of 32 bits is too large')
}

/** A signed LEB128 of at most 33 bits (block types; i32 constants are a subset). */
export function readS33(reader: Reader): number {
  let value = 0
  for (let place = 0; place < 5; place++) {
    const byte = readByte(reader)
    value += (byte & 0x7f) * 2 ** (7 * place)
    if (byte < 0x80) return byte & 0x40 ? value - 2 ** (7 * (place + 1)) : value
  }
  throw malformed(reader, 'a number of 33 bits is too large')
}

/** A view of the next `length` bytes. */
export function readBytes(reader: Reader, length: number): Uint8Array {
  if (length > reader.end - reader.at) throw malformed(reader, 'the bytes end early')
  reader.at += length
  return reader.bytes.subarray(reader.at - length, reader.at)
}

/** A reader over the next `length` bytes, which the outer reader skips. */
export function readSlice(reader: Reader, length: number): Reader {
  readBytes(reader, length)
  return readerOf(reader.bytes, reader.at - length, reader.at)
}

/** A count of items of at least `itemBytes` each: a count that cannot fit is refused before anything is allocated for it. */
export function readCount(reader: Reader, itemBytes = 1): number {
  const count = readU32(reader)
  if (count * itemBytes > reader.end - reader.at) throw malformed(reader, `${count} items do not fit`)
  return count
}

/** A UTF-8 name with its length before it. */
export function readName(reader: Reader): string {
  const bytes = readBytes(reader, readU32(reader))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw malformed(reader, 'a name is not UTF-8')
    throw error
  }
}

export const malformed = (reader: Reader, reason: string): Refused =>
  new Refused('invalid_module', `byte ${reader.at}: ${reason}`)

export const newWriter = (capacity = 256): Writer => ({ bytes: new Uint8Array(capacity), length: 0 })
export const written = (writer: Writer): Uint8Array => writer.bytes.subarray(0, writer.length)

export function writeByte(writer: Writer, byte: number): void {
  reserve(writer, 1)
  writer.bytes[writer.length] = byte
  writer.length += 1
}

export function writeBytes(writer: Writer, bytes: ArrayLike<number>): void {
  reserve(writer, bytes.length)
  writer.bytes.set(bytes, writer.length)
  writer.length += bytes.length
}

export function writeU32(writer: Writer, value: number): void {
  let rest = value
  while (rest > 0x7f) {
    writeByte(writer, (rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  writeByte(writer, rest)
}

/** A signed LEB128 of any safe integer. */
export function writeSigned(writer: Writer, value: number): void {
  let rest = value
  for (;;) {
    const low = ((rest % 128) + 128) % 128
    rest = Math.floor(rest / 128)
    const done = rest === (low & 0x40 ? -1 : 0)
    writeByte(writer, done ? low : low | 0x80)
    if (done) return
  }
}

export function writeName(writer: Writer, name: string): void {
  const bytes = new TextEncoder().encode(name)
  writeU32(writer, bytes.length)
  writeBytes(writer, bytes)
}

/** Copies one LEB128 in its shortest form: linkers pad them, and padding would give equal programs unequal bytes. */
export function copyLeb(writer: Writer, reader: Reader, signed: boolean): void {
  const start = reader.at
  const first = readByte(reader)
  if (first < 0x80) {
    writeByte(writer, first)
    return
  }
  while (readByte(reader) > 0x7f) if (reader.at - start > 9) throw malformed(reader, 'a number is too long')
  const raw = Array.from(reader.bytes.subarray(start, reader.at))
  const redundant = (last: number, before: number): boolean =>
    (last === 0 && (!signed || (before & 0x40) === 0)) || (signed && last === 0x7f && (before & 0x40) !== 0)
  for (;;) {
    const [before, last] = raw.slice(-2)
    if (before === undefined || last === undefined || !redundant(last, before)) break
    raw.splice(-2, 2, before & 0x7f)
  }
  writeBytes(writer, raw)
}

function reserve(writer: Writer, more: number): void {
  const needed = writer.length + more
  if (needed <= writer.bytes.length) return
  const larger = new Uint8Array(Math.max(needed, writer.bytes.length * 2))
  larger.set(writer.bytes)
  writer.bytes = larger
}
