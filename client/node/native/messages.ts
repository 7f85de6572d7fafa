import { z } from 'zod'
import type { NativeOutcome } from '#client/onnx/run.ts'
import type { NativeClass } from '#protocol/engine.ts'
import type { Sha256 } from '#protocol/units.ts'
import { ThreadOrder } from '#runtime/thread.ts'
import { PROVIDERS, type Provider } from './runtime.ts'

/** A native run as it travels to the process that computes it: a compiled module does not. */
export interface NativeOrder {
  readonly provider: Provider
  readonly engineClass: NativeClass
  readonly runKey: Sha256
  readonly job: string
  readonly fuelMax: number
  readonly flops: number
  /** The kernel's release, as it was fetched and checked. */
  readonly release: Uint8Array
  readonly moduleSha256: Sha256
  readonly data: readonly Uint8Array[]
  readonly checkpoint?: Uint8Array | undefined
  readonly memoryBytesMax: number
}

/** How a machine did in the probe of one of its engines. */
export const ProbeAnswer = z.union([
  z.object({ ok: z.literal(true), flopsPerSecond: z.number().positive() }),
  z.object({ ok: z.literal(false), reason: z.string() }),
])
export type ProbeAnswer = z.infer<typeof ProbeAnswer>

const bytes = z.custom<Uint8Array>(value => value instanceof Uint8Array)

/** What a process that computes is told. Its parent wrote it, so it is looked at only as far as types need. */
export const ToChild = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), order: z.custom<NativeOrder>() }),
  z.object({ type: z.literal('probe'), provider: z.enum(PROVIDERS) }),
  z.object({ type: z.literal('order'), order: ThreadOrder }),
])
export type ToChild = z.infer<typeof ToChild>

/** What it says, besides what a thread of the pool says between two slices. */
export const FromChild = z.discriminatedUnion('type', [
  z.object({ type: z.literal('outcome'), outcome: z.custom<NativeOutcome>() }),
  z.object({ type: z.literal('probed'), answer: ProbeAnswer }),
  z.object({ type: z.literal('estimated'), bytes: z.number() }),
  z.object({ type: z.literal('started') }),
  z.object({ type: z.literal('slice'), slice: z.unknown() }),
  z.object({ type: z.literal('save'), checkpoint: bytes }),
])
export type FromChild = z.infer<typeof FromChild>

/** Where a heartbeat goes: a line of JSON on a pipe of its own, since a call into the runtime keeps all else waiting. */
export const PULSE_FD = 3
export const Pulse = z.object({ rssBytes: z.number() })
export type Pulse = z.infer<typeof Pulse>
