// Why a module is not admitted: one code per reason, each with what its author can do about it.

export interface Refusal {
  readonly code: RefusalCode
  readonly detail: string // where and what, for one who has the module at hand
  readonly hint: string
}

export type RefusalCode = keyof typeof HINTS

/** Stops reading the module, or the function, that it is thrown in; admit() catches it and lists the refusal. */
export class Refused extends Error {
  readonly code: RefusalCode
  constructor(code: RefusalCode, detail: string) {
    super(detail)
    this.name = 'Refused'
    this.code = code
  }
}

/** The refusals found so far: the first of each code, since a stranger's module may break one rule a million times. */
export type Refusals = Map<RefusalCode, string>

/** Notes a refusal and lets reading continue. */
export function refuse(refusals: Refusals, code: RefusalCode, detail: string): void {
  if (!refusals.has(code)) refusals.set(code, detail)
}

/** Runs `read`; what it throws as Refused is noted, and the answer is then undefined. */
export function collecting<T>(refusals: Refusals, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    refuse(refusals, error.code, error.message)
    return undefined
  }
}

export const listRefusals = (refusals: Refusals): Refusal[] =>
  Array.from(refusals, ([code, detail]) => ({ code, detail, hint: HINTS[code] }))

const PROPOSAL =
  'Compile for WebAssembly 1.0 with SIMD128, bulk memory, sign extension, saturating conversion and multi-value only.'
const MEMORY =
  'Declare exactly one 32-bit memory with a maximum (AssemblyScript: --maximumMemory; wasm-ld: --max-memory).'

/** Every code, with what the author can do about it. */
export const HINTS = {
  // bytes
  invalid_module: 'The bytes are not a valid WebAssembly module.',
  module_too_large: 'Make the module smaller; large tables belong into a data slot.',
  function_too_large: 'Split the function.',
  too_many_functions: 'Remove functions that are not used.',
  too_many_locals: 'Split the function, or compile with optimisation.',
  too_many_globals: 'Keep state in memory.',
  nesting_too_deep: 'Flatten the control flow.',
  table_too_large: 'Make the function table smaller.',

  // what would make the outcome depend on the host
  imports: 'A kernel imports nothing: compile without host functions (AssemblyScript: --use abort=).',
  start_section:
    'Export the static initialisation as _initialize (AssemblyScript: --exportStart _initialize).',
  memory_missing: MEMORY,
  second_memory: MEMORY,
  memory_without_maximum: MEMORY,
  memory_maximum_too_large: 'Lower the maximum, or raise memoryPagesMax in the manifest (at most 1 GiB).',
  shared_memory: MEMORY,
  memory64: MEMORY,
  custom_page_sizes: MEMORY,
  relaxed_simd: 'Relaxed SIMD gives other bits on other machines: use SIMD128.',
  threads: 'A run has one thread: compile without atomics.',
  exceptions: PROPOSAL,
  gc: PROPOSAL,
  tail_calls: PROPOSAL,
  reference_types: PROPOSAL,
  function_references: PROPOSAL,
  stack_switching: PROPOSAL,
  extended_const: PROPOSAL,
  multiple_tables: PROPOSAL,
  wide_arithmetic: PROPOSAL,
  half_precision: PROPOSAL,
  unknown_feature: PROPOSAL,
  recursion:
    'Engines overflow their stacks at different depths: turn the recursion into a loop with a stack of its own.',
  stack_too_deep: 'Shorten the call chain or its frames: large arrays belong into memory.',

  // what would hide state from a checkpoint
  mutable_v128_global: 'Keep vectors in memory.',
  reference_global: 'Keep state in numeric globals or in memory.',
  passive_segments: 'Use active data segments (wasm-ld does so without --shared-memory).',
  table_writes: 'The function table is fixed: do not write to it.',
  segment_out_of_bounds: 'Raise the initial size of the memory or the table.',

  // the ABI
  export_missing: 'Export what the ABI xee-1 names, spelled exactly.',
  export_mistyped: 'Give the export the type that the ABI xee-1 states.',
  reserved_export:
    'Names of the form xee_fuel, xee_phase, xee_oom and xee_g0 are added by admission: rename the export.',
} as const satisfies Record<string, string>
