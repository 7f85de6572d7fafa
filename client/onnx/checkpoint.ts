import { z } from 'zod'
import { Sha256 } from '#protocol/units.ts'
import { seal, unseal } from '#runtime/sealed.ts'
import { Losses } from './curve.ts'
import type { Progress } from './train.ts'

const MAGIC = 'XEENATV1'

const Header = z.strictObject({
  runKey: Sha256,
  /** What computed it: another class goes on along another trajectory, and never takes over. */
  engineClass: z.string(),
  update: z.int().min(0),
  losses: Losses,
  cpuMs: z.number().min(0),
})

/** A native run between two calls. */
export interface NativeCheckpoint {
  readonly runKey: Sha256
  readonly engineClass: string
  readonly progress: Progress
  readonly cpuMs: number
}

/** The bytes of a checkpoint file: header, then the state as f32, little-endian. */
export function encodeNative({ progress, ...of }: NativeCheckpoint): Promise<Uint8Array> {
  const { update, losses, state } = progress
  const body = new Uint8Array(4 * state.length)
  const view = new DataView(body.buffer)
  state.forEach((value, i) => {
    view.setFloat32(4 * i, value, true)
  })
  return seal(MAGIC, { ...of, update, losses }, body)
}

/** The checkpoint of that run in that class, or undefined for bytes that are damaged, foreign, or of another version. */
export async function decodeNative(
  bytes: Uint8Array,
  { runKey, engineClass }: Pick<NativeCheckpoint, 'runKey' | 'engineClass'>,
): Promise<NativeCheckpoint | undefined> {
  const sealed = await unseal(MAGIC, bytes)
  const parsed = Header.safeParse(sealed?.header)
  if (sealed === undefined || !parsed.success) return undefined
  const { update, losses, cpuMs, ...of } = parsed.data
  if (of.runKey !== runKey || of.engineClass !== engineClass || sealed.body.length % 4 !== 0) return undefined
  const { buffer, byteOffset, byteLength } = sealed.body
  const view = new DataView(buffer, byteOffset, byteLength)
  const state = Float32Array.from({ length: byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true))
  return { ...of, cpuMs, progress: { update, losses, state } }
}
