import type { RunErrorCode } from '#protocol/report.ts'

/** How a call into a kernel ended early. A trap is the kernel's own doing and the same everywhere; a fault is this host's. */
export type CallFailure =
  | { readonly type: 'trap' }
  | { readonly type: 'fault'; readonly code: RunErrorCode; readonly detail: string }

/** A kernel broke the ABI, or this host could not serve it: no result, and not the outcome `trapped`. */
export class KernelFault extends Error {
  readonly code: RunErrorCode
  constructor(code: RunErrorCode, detail: string) {
    super(detail)
    this.name = 'KernelFault'
    this.code = code
  }
}

/**
 * Says what an exception out of a kernel means. Engines overflow their stacks at depths that differ a hundredfold, so
 * an overflow must never look like a trap; `outOfMemory` is the kernel's `xee_oom` flag.
 * @throws whatever is neither of the kernel nor of the engine: our own bug
 */
export function classify(error: unknown, outOfMemory: boolean): CallFailure {
  if (error instanceof KernelFault) return { type: 'fault', code: error.code, detail: error.message }
  if (outOfMemory)
    return { type: 'fault', code: 'out_of_memory', detail: 'this machine has no memory left for the kernel' }
  if (isStackOverflow(error))
    return { type: 'fault', code: 'engine_stack', detail: "the engine's own stack is too small" }
  if (error instanceof WebAssembly.RuntimeError) return { type: 'trap' }
  throw error
}

/** Chromium, Node and Safari throw a RangeError, Firefox an InternalError. */
function isStackOverflow(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name === 'InternalError' || (error instanceof RangeError && /call stack/i.test(error.message))
}
