// Modules that keep the ABI xee-1 but for what a test changes.

import { admit } from '#kernels/admit.ts'
import { buildModule, type Code, type FunctionSpec, i32, type ModuleSpec, type Type } from './wasm-builder.ts'

export interface KernelSpec extends ModuleSpec {
  readonly alloc?: Code
  readonly init?: Code
  readonly step?: Code
  readonly stepLocals?: readonly Type[]
  readonly omit?: readonly string[] // exports to leave out
}

/** The first function index that `functions` of a kernel spec get. */
export const OWN_FUNCTIONS = 10

/** A kernel whose functions return 0 or 1, with parts replaced. Input slots lie at 1024; the output is empty. */
export function kernelModule(spec: KernelSpec = {}): Uint8Array {
  const result = (
    exported: string,
    body: Code,
    params: readonly Type[] = [],
    locals: readonly Type[] = [],
  ) => ({
    export: exported,
    params,
    results: ['i32'] as const,
    locals,
    body,
  })
  const abi: FunctionSpec[] = [
    result('xee_abi', i32(1)),
    result('xee_alloc', spec.alloc ?? i32(1024), ['i32', 'i32']),
    result('xee_init', spec.init ?? i32(0)),
    result('xee_step', spec.step ?? i32(1), ['i64'], spec.stepLocals),
    ...['xee_output', 'xee_output_len', 'xee_state', 'xee_state_len', 'xee_artifact', 'xee_artifact_len'].map(
      exported => result(exported, i32(0)),
    ),
  ]
  const kept = abi.map(f => {
    const { export: exported, ...rest } = f
    return spec.omit?.includes(exported ?? '') ? rest : f
  })
  return buildModule({ ...spec, functions: [...kept, ...(spec.functions ?? [])] })
}

/** The admitted form of a module that must be admissible. */
export function admitted(bytes: Uint8Array): Uint8Array {
  const answer = admit(bytes)
  if (!answer.ok) throw new Error(`not admitted: ${JSON.stringify(answer.refusals)}`)
  return answer.module
}

/** An admitted kernel, instantiated: its functions, and its counters as numbers. */
export function startKernel(bytes: Uint8Array, fuel: number | bigint): RunningKernel {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)))
  const counter = (name: string) => exports[name] as WebAssembly.Global
  counter('xee_fuel').value = BigInt(fuel)
  return {
    call: (name, ...args) => (exports[name] as (...args: unknown[]) => unknown)(...args),
    fuel: () => Number(counter('xee_fuel').value),
    oom: () => counter('xee_oom').value,
    setPhase: phase => {
      counter('xee_phase').value = phase
    },
    memory: exports.memory as WebAssembly.Memory,
    exports,
  }
}

export interface RunningKernel {
  readonly call: (name: string, ...args: unknown[]) => unknown
  readonly fuel: () => number
  readonly oom: () => number
  readonly setPhase: (phase: 0 | 1) => void
  readonly memory: WebAssembly.Memory
  readonly exports: WebAssembly.Exports
}
