// The exports that the ABI xee-1 names, with their types.

import { type Refusals, refuse } from './admit-refusals.ts'
import {
  type ExportKind,
  type FunctionType,
  typeText,
  type ValueType,
  type WasmModule,
} from './wasm-module.ts'

/** Notes exports that are missing, have another type, or take a name that admission adds itself. */
export function checkExports(module: WasmModule, refusals: Refusals): void {
  for (const { name } of module.exports)
    if (RESERVED.test(name)) refuse(refusals, 'reserved_export', `the module exports ${name}`)
  checkMemoryExport(module, refusals)
  for (const [name, type] of FUNCTIONS) checkFunction(module, refusals, { name, type })
}

/** A module without a memory hears so elsewhere. */
function checkMemoryExport(module: WasmModule, refusals: Refusals): void {
  const kind = kindOf(module, 'memory')
  if (module.memory === undefined || kind === 'memory') return
  if (kind === undefined) refuse(refusals, 'export_missing', 'the module does not export memory')
  else refuse(refusals, 'export_mistyped', `memory is a ${kind}`)
}

const RESERVED = /^xee_(fuel|phase|oom|g[0-9]+)$/

const returnsI32 = (...params: readonly ValueType[]): FunctionType => ({ params, results: ['i32'] })

const FUNCTIONS: ReadonlyMap<string, FunctionType> = new Map([
  ['_initialize', { params: [], results: [] }],
  ['xee_abi', returnsI32()],
  ['xee_alloc', returnsI32('i32', 'i32')],
  ['xee_init', returnsI32()],
  ['xee_step', returnsI32('i64')],
  ['xee_output', returnsI32()],
  ['xee_output_len', returnsI32()],
  ['xee_state', returnsI32()],
  ['xee_state_len', returnsI32()],
  ['xee_artifact', returnsI32()],
  ['xee_artifact_len', returnsI32()],
])
const OPTIONAL: ReadonlySet<string> = new Set(['_initialize'])

function checkFunction(
  module: WasmModule,
  refusals: Refusals,
  { name, type }: { name: string; type: FunctionType },
): void {
  const kind = kindOf(module, name)
  if (kind === undefined) {
    if (!OPTIONAL.has(name)) refuse(refusals, 'export_missing', `the module does not export ${name}`)
    return
  }
  const found = kind === 'function' ? typeOf(module, name) : kind
  if (found !== typeText(type))
    refuse(refusals, 'export_mistyped', `${name} is ${found}, not ${typeText(type)}`)
}

const kindOf = (module: WasmModule, name: string): ExportKind | undefined =>
  module.exports.find(entry => entry.name === name)?.kind

/** The type as text. Looked up without trust in the indices: the sections before may have been refused. */
function typeOf(module: WasmModule, name: string): string {
  const index = module.exports.find(entry => entry.name === name)?.index ?? -1
  const type = module.types[module.functions[index] ?? -1]
  return type === undefined ? 'unknown' : typeText(type)
}
