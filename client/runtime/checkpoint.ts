import { z } from 'zod'
import { canonicalJson, fromUtf8, hex, sha256, utf8 } from '#protocol/canonical.ts'
import { FUEL_MAX, MARKS } from '#protocol/limits.ts'
import { Sha256 } from '#protocol/units.ts'

// XEECKPT1 | header length, u32 little-endian | header, JSON | memory | SHA-256 of all before it, 32 bytes
const MAGIC = utf8('XEECKPT1')
const HEADER_AT = MAGIC.length + 4
const HASH_BYTES = 32

const Header = z.strictObject({
  runKey: Sha256,
  step: z.int().min(0),
  fuelLeft: z.int().min(0).max(FUEL_MAX),
  /** Of globalBytes, hexadecimal. */
  globals: z.string().regex(/^([0-9a-f]{16})*$/),
  trace: z.array(Sha256).max(MARKS),
  cpuMs: z.number().min(0),
})
type Header = z.infer<typeof Header>

/** A run after a completed step: all that another thread, or this machine tomorrow, needs to go on. */
export interface Checkpoint extends Omit<Header, 'globals'> {
  readonly globals: Uint8Array
  readonly memory: Uint8Array
}

/** The bytes of a checkpoint file; `memory` is copied. */
export async function encodeCheckpoint(checkpoint: Checkpoint): Promise<Uint8Array> {
  const { memory, globals, ...rest } = checkpoint
  const header = utf8(canonicalJson({ ...rest, globals: hex(globals) }))
  const end = HEADER_AT + header.length + memory.length
  const bytes = new Uint8Array(end + HASH_BYTES)
  bytes.set(MAGIC, 0)
  new DataView(bytes.buffer).setUint32(MAGIC.length, header.length, true)
  bytes.set(header, HEADER_AT)
  bytes.set(memory, HEADER_AT + header.length)
  bytes.set(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.subarray(0, end))), end)
  return bytes
}

/** The checkpoint of that run, or undefined for bytes that are damaged, foreign, or of another version. */
export async function decodeCheckpoint(bytes: Uint8Array, runKey: Sha256): Promise<Checkpoint | undefined> {
  const end = bytes.length - HASH_BYTES
  if (end < HEADER_AT || MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined
  if ((await sha256(bytes.subarray(0, end))) !== hex(bytes.subarray(end))) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const memoryAt = HEADER_AT + view.getUint32(MAGIC.length, true)
  if (memoryAt > end) return undefined
  const parsed = Header.safeParse(JSON.parse(fromUtf8(bytes.subarray(HEADER_AT, memoryAt))))
  if (!parsed.success || parsed.data.runKey !== runKey) return undefined
  const { globals, ...rest } = parsed.data
  return { ...rest, globals: ofHex(globals), memory: bytes.subarray(memoryAt, end) }
}

const ofHex = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
