import { z } from 'zod'
import { CURVE_POINTS_MAX, OUTPUT_BYTES_MAX } from '#protocol/limits.ts'

/** A number, or the 16 hexadecimal digits of its f64 bits: kernels print floats exactly without a printer of decimals. */
const KernelNumber = z.union([
  z.number(),
  z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .transform(digits => f64OfHex(digits))
    .pipe(z.number()), // refuses NaN and infinities
])

/** What a kernel says of itself, while it runs and at its end: its `xee_output`. */
export const KernelOutput = z.object({
  status: z.enum(['running', 'ok', 'diverged', 'infeasible']),
  metric: z.object({ name: z.string().max(40), value: KernelNumber }).nullish(),
  curve: z
    .array(
      z.object({
        update: z.int().min(0),
        fuel: KernelNumber,
        train: KernelNumber.nullable(),
        val: KernelNumber.nullable(),
      }),
    )
    .max(CURVE_POINTS_MAX)
    .default([]),
  counters: z.record(z.string().max(40), KernelNumber).default({}),
  /** The last training loss, while it runs; the curve may come only at the end. */
  train: KernelNumber.nullish(),
  /** Fraction of the run, 0 to 1. */
  progress: KernelNumber.nullish(),
})
export type KernelOutput = z.infer<typeof KernelOutput>

export type ParsedOutput =
  | { readonly ok: true; readonly output: KernelOutput }
  | { readonly ok: false; readonly reason: string }

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Reads a kernel's output; a stranger wrote it, so whatever is wrong with it is a value. */
export function parseOutput(bytes: Uint8Array): ParsedOutput {
  if (bytes.length > OUTPUT_BYTES_MAX) return { ok: false, reason: `${bytes.length} bytes of output` }
  let json: unknown
  try {
    json = JSON.parse(decoder.decode(bytes))
  } catch (error) {
    return { ok: false, reason: `not JSON: ${error instanceof Error ? error.message : error}` }
  }
  const parsed = KernelOutput.safeParse(json)
  if (parsed.success) return { ok: true, output: parsed.data }
  return { ok: false, reason: z.prettifyError(parsed.error).slice(0, 400) }
}

function f64OfHex(digits: string): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(`0x${digits}`))
  return view.getFloat64(0)
}
