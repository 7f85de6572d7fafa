// Admission: what a stranger's module must be before it becomes a kernel, and the metered module that it becomes.

import { GLOBALS_MAX, MEMORY_PAGES_DEFAULT, MEMORY_PAGES_MAX, MODULE_BYTES_MAX } from '#protocol/limits.ts'
import { checkExports } from './admit-abi.ts'
import { checkCalls } from './admit-calls.ts'
import { collecting, listRefusals, type Refusal, type Refusals, Refused, refuse } from './admit-refusals.ts'
import { meter, type StateGlobal } from './meter.ts'
import { type FunctionPlan, planFunction } from './meter-segments.ts'
import { readerOf } from './wasm-bytes.ts'
import { eachLive } from './wasm-instruction.ts'
import type { WasmModule } from './wasm-module.ts'
import { readModule } from './wasm-read.ts'
import { constantOffset } from './wasm-read-items.ts'

export interface AdmitLimits {
  readonly memoryPagesMax: number // of 64 KiB; by the manifest up to MEMORY_PAGES_MAX
}

interface KernelFacts {
  readonly memoryPagesMin: number
  readonly memoryPagesMax: number
  readonly globals: readonly StateGlobal[] // all mutable globals but the three that admission adds
  readonly stackBytes: number // of the longest call path, by the estimate in admit-calls.ts
  readonly functions: number
}

export type Admission =
  | { readonly ok: true; readonly module: Uint8Array; readonly facts: KernelFacts }
  | { readonly ok: false; readonly refusals: readonly Refusal[] }

/**
 * Judges a module and rewrites it (meter.ts). Deterministic: the same bytes and limits give the same answer. Any bytes
 * are answered with a value: the first refusal of each code, in the order they were found. The module returned is not
 * itself admissible, since it has the exports that admission adds.
 */
export function admit(
  bytes: Uint8Array,
  limits: AdmitLimits = { memoryPagesMax: MEMORY_PAGES_DEFAULT },
): Admission {
  const refusals: Refusals = new Map()
  const admitted = collecting(refusals, () => judge(bytes, limits, refusals))
  if (refusals.size > 0 || admitted === undefined) return { ok: false, refusals: listRefusals(refusals) }
  return { ok: true, ...admitted }
}

function judge(
  bytes: Uint8Array,
  limits: AdmitLimits,
  refusals: Refusals,
): { module: Uint8Array; facts: KernelFacts } | undefined {
  if (bytes.length > MODULE_BYTES_MAX)
    throw new Refused('module_too_large', `${bytes.length} bytes; the limit is ${MODULE_BYTES_MAX}`)
  const valid = isValid(bytes)
  const module = collecting(refusals, () => readModule(bytes, refusals))
  if (module !== undefined) collectForeign(module, refusals)
  // Our own reason first: this engine may lack a feature whose name helps more than "invalid".
  if (!valid && refusals.size === 0) refuse(refusals, 'invalid_module', 'the engine rejects the bytes')
  if (module === undefined || !valid) return undefined
  if (wasRead(module, IMPORTS, MEMORY)) checkMemory(module, limits, refusals)
  if (wasRead(module, IMPORTS, TYPES, FUNCTIONS, EXPORTS)) checkExports(module, refusals)
  if (refusals.size > 0) return undefined
  const plans = module.bodies.map((_, index) => planFunction(module, index))
  const stackBytes = checkCalls(module, plans, refusals)
  return refusals.size > 0 ? undefined : rewrite(module, plans, stackBytes)
}

// Section ids. What a refused section would have held is missing: no second refusal for that.
const [TYPES, IMPORTS, FUNCTIONS, MEMORY, EXPORTS] = [1, 2, 3, 5, 7]

const wasRead = ({ unread }: WasmModule, ...ids: readonly number[]): boolean =>
  ids.every(id => !unread.has(id))

function rewrite(
  module: WasmModule,
  plans: readonly FunctionPlan[],
  stackBytes: number,
): { module: Uint8Array; facts: KernelFacts } {
  const metered = meter(module, plans)
  if (!isValid(metered.module)) throw new Error('metering made a valid module invalid')
  const facts = {
    memoryPagesMin: module.memory?.min ?? 0,
    memoryPagesMax: module.memory?.max ?? 0,
    globals: metered.globals,
    stackBytes,
    functions: module.functions.length,
  }
  return { module: metered.module, facts }
}

/** Every instruction of every function, so that each foreign one is named, not only the first. */
function collectForeign(module: WasmModule, refusals: Refusals): void {
  for (const { start, end } of module.bodies)
    collecting(refusals, () => eachLive(readerOf(module.bytes, start, end), () => {}))
}

function checkMemory(module: WasmModule, limits: AdmitLimits, refusals: Refusals): void {
  const { memory, data, elements, table, globals } = module
  const pagesMax = Math.min(limits.memoryPagesMax, MEMORY_PAGES_MAX)
  if (memory === undefined) refuse(refusals, 'memory_missing', 'the module has no memory of its own')
  else if (memory.max === undefined) refuse(refusals, 'memory_without_maximum', `${memory.min} pages or more`)
  else if (memory.max > pagesMax)
    refuse(refusals, 'memory_maximum_too_large', `${memory.max} pages of 64 KiB; the limit is ${pagesMax}`)
  for (const { offset, bytes } of data)
    if (constantOffset(offset) + bytes.length > (memory?.min ?? 0) * 65_536)
      refuse(refusals, 'segment_out_of_bounds', `data at ${constantOffset(offset)}`)
  for (const { offset, functions } of elements)
    if (constantOffset(offset) + functions.length > (table?.min ?? 0))
      refuse(refusals, 'segment_out_of_bounds', `table entries at ${constantOffset(offset)}`)
  const mutable = globals.filter(global => global.mutable).length
  if (mutable > GLOBALS_MAX)
    refuse(refusals, 'too_many_globals', `${mutable} mutable globals; the limit is ${GLOBALS_MAX}`)
}

// A copy, because WebAssembly takes no view of a shared buffer.
const isValid = (bytes: Uint8Array): boolean => WebAssembly.validate(new Uint8Array(bytes))
