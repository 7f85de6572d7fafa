import { z } from 'zod'

/** The values of a kernel's mutable globals `xee_g0…`, in index order: i64 as bigint, all others as number. */
export type GlobalValues = readonly (number | bigint)[]

/** The mutable globals that admission made visible, in index order. */
export function stateGlobals(exports: WebAssembly.Exports): WebAssembly.Global[] {
  const found: WebAssembly.Global[] = []
  for (;;) {
    const global = exports[`xee_g${found.length}`]
    if (!(global instanceof WebAssembly.Global)) return found
    found.push(global)
  }
}

export const readGlobals = (globals: readonly WebAssembly.Global[]): GlobalValues =>
  globals.map(global => GlobalValue.parse(global.value))

export function writeGlobals(globals: readonly WebAssembly.Global[], values: GlobalValues): void {
  globals.forEach((global, i) => {
    global.value = values[i]
  })
}

const GlobalValue = z.union([z.bigint(), z.number(), z.nan()])

/**
 * 8 little-endian bytes a global: an i64 by its bits, every other type by the f64 bits of its value (exact for i32
 * and f32; JavaScript cannot ask a global for its type), NaN as 7ff8000000000000. Part of a mark and of a checkpoint.
 */
export function globalBytes(values: GlobalValues): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length))
  values.forEach((value, i) => {
    if (typeof value === 'bigint') view.setBigInt64(8 * i, value, true)
    else if (Number.isNaN(value)) view.setBigUint64(8 * i, 0x7ff8000000000000n, true)
    else view.setFloat64(8 * i, value, true)
  })
  return new Uint8Array(view.buffer)
}

/** The inverse of globalBytes; `like` tells which globals are i64. */
export function globalsOfBytes(bytes: Uint8Array, like: GlobalValues): GlobalValues {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return like.map((value, i) =>
    typeof value === 'bigint' ? view.getBigInt64(8 * i, true) : view.getFloat64(8 * i, true),
  )
}
