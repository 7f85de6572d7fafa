import { z } from 'zod'
import { hex } from '#protocol/canonical.ts'
import { FUEL_MAX, MARKS } from '#protocol/limits.ts'
import { Sha256 } from '#protocol/units.ts'
import { seal, unseal } from './sealed.ts'

const MAGIC = 'XEECKPT1'

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
export function encodeCheckpoint(checkpoint: Checkpoint): Promise<Uint8Array> {
  const { memory, globals, ...rest } = checkpoint
  return seal(MAGIC, { ...rest, globals: hex(globals) }, memory)
}

/** The checkpoint of that run, or undefined for bytes that are damaged, foreign, or of another version. */
export async function decodeCheckpoint(bytes: Uint8Array, runKey: Sha256): Promise<Checkpoint | undefined> {
  const sealed = await unseal(MAGIC, bytes)
  const parsed = Header.safeParse(sealed?.header)
  if (sealed === undefined || !parsed.success || parsed.data.runKey !== runKey) return undefined
  const { globals, ...rest } = parsed.data
  return { ...rest, globals: ofHex(globals), memory: sealed.body }
}

const ofHex = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
