// Kernels that mean harm, as a stranger would send them: before admission.

import { kernelModule, OWN_FUNCTIONS } from './kernel-modules.ts'
import { br, call, fill, get, grow, i32, loop, OPS, VOID } from './wasm-builder.ts'

/** Admissible; its xee_step never returns, so it runs out of fuel. */
export const endlessLoop = (): Uint8Array => kernelModule({ step: [loop(VOID, br(0)), OPS.unreachable] })

/** Admissible; its xee_step fills 256 MiB again and again, so it runs out of fuel. */
export const endlessFill = (): Uint8Array =>
  kernelModule({
    memory: [1, 0x80, 0x20, 0x80, 0x20],
    step: [loop(VOID, i32(0), i32(1), i32(0x1000_0000), fill, br(0)), OPS.unreachable],
  })

/** Admissible; its xee_init grows its memory page by page for ever, so it traps at its declared maximum. */
export const memoryBomb = (): Uint8Array =>
  kernelModule({ init: [loop(VOID, i32(1), grow, OPS.drop, br(0)), OPS.unreachable] })

/** Admissible; it grows its memory in xee_step, where that is not allowed: it traps. */
export const lateGrowth = (): Uint8Array => kernelModule({ step: [i32(1), grow] })

/** Refused: its memory may grow to 4 GiB. */
export const hugeMemory = (): Uint8Array => kernelModule({ memory: [1, 1, 0x80, 0x80, 0x04] })

/** Refused: a function that calls itself. */
export const deepRecursion = (): Uint8Array =>
  kernelModule({
    step: [i32(0), call(OWN_FUNCTIONS)],
    functions: [{ params: ['i32'], results: ['i32'], body: [get(0), call(OWN_FUNCTIONS)] }],
  })

/** Refused: a chain of `length` functions, each calling the next one. */
export const longChain = (length = 3_000): Uint8Array =>
  kernelModule({
    step: [call(OWN_FUNCTIONS), i32(0)],
    functions: Array.from({ length }, (_, i) => ({
      body: i + 1 < length ? call(OWN_FUNCTIONS + i + 1) : [OPS.nop],
    })),
  })

/** Admissible; its xee_step executes unreachable. */
export const trapping = (): Uint8Array => kernelModule({ step: [OPS.unreachable] })

/** Admissible; its xee_step divides by zero. */
export const dividingByZero = (): Uint8Array => kernelModule({ step: [i32(1), i32(0), OPS.i32DivU] })

/** Admissible; its xee_step reads behind its memory. */
export const readingOutOfBounds = (): Uint8Array => kernelModule({ step: [i32(0x7fff_ffff), 0x28, 2, 0] })
