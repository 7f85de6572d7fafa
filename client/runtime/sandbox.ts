// One kernel instance under ABI xee-1 (DESIGN §4). Everything here is synchronous and owned by one thread.

import { MEMORY_PAGES_MAX, QUERY_FUEL } from '#protocol/limits.ts'
import { type GlobalValues, readGlobals, stateGlobals, writeGlobals } from './globals.ts'
import { KernelFault } from './trap.ts'

const PAGE_BYTES = 65_536
const ABI = 1

/** A kernel between two calls: its whole state is its memory, its mutable globals and its fuel. */
export interface Sandbox {
  readonly memory: WebAssembly.Memory
  readonly exports: WebAssembly.Exports
  readonly globals: readonly WebAssembly.Global[]
  readonly counters: Counters
  fuelLeft: bigint
}

/** What admission adds to a module: how the host bounds it and learns why it trapped. */
interface Counters {
  readonly fuel: WebAssembly.Global // i64; below zero the kernel traps
  readonly phase: WebAssembly.Global // i32; memory.grow traps while it is 0
  readonly outOfMemory: WebAssembly.Global // i32; 1 after the engine itself failed to grow
}

/**
 * Instantiates an admitted module: no imports, metered, one memory.
 * @throws KernelFault kernel_refused, out_of_memory
 */
export async function openSandbox(module: WebAssembly.Module, fuel: bigint): Promise<Sandbox> {
  const imports = WebAssembly.Module.imports(module)
  if (imports.length > 0) throw refused(`it imports ${imports[0]?.module}.${imports[0]?.name}`)
  const { exports } = await instantiate(module)
  const { memory, xee_fuel, xee_phase, xee_oom } = exports
  if (!(memory instanceof WebAssembly.Memory)) throw refused('it exports no memory')
  const counters = { fuel: global(xee_fuel), phase: global(xee_phase), outOfMemory: global(xee_oom) }
  return { memory, exports, globals: stateGlobals(exports), counters, fuelLeft: fuel }
}

/**
 * Everything before the first step: start-up, the inputs, `xee_init`. Slot 0 is the job, then the files in order.
 * @throws KernelFault when the kernel declines, and whatever the engine throws at a trap
 */
export function beginRun(sandbox: Sandbox, inputs: readonly Uint8Array[]): void {
  if (sandbox.exports._initialize !== undefined) call(sandbox, '_initialize', 1)
  const abi = call(sandbox, 'xee_abi', 1)
  if (abi !== ABI) throw refused(`it speaks ABI ${abi}, not ${ABI}`)
  inputs.forEach((bytes, slot) => {
    const pointer = call(sandbox, 'xee_alloc', 1, slot, bytes.length) >>> 0
    writeInput(sandbox, { slot, pointer, bytes })
  })
  const code = call(sandbox, 'xee_init', 1)
  if (code !== 0) throw refused(`it declined the job with code ${code}: ${reasonOf(sandbox)}`)
}

/** One slice: 0 more, 1 finished, below 0 failed. Throws what the engine throws at a trap. */
export const stepOnce = (sandbox: Sandbox): number => call(sandbox, 'xee_step', 0, sandbox.fuelLeft)

/**
 * A copy of what the kernel shows: its output, its state, or the trained weights. Asking changes nothing that
 * a mark or a report can see: fuel and globals are put back, so a host may ask as often as it likes.
 * @throws KernelFault output_invalid for a range outside its memory; whatever the engine throws at a trap
 */
export function query(sandbox: Sandbox, what: 'output' | 'state' | 'artifact'): Uint8Array {
  const globals = readGlobals(sandbox.globals)
  const { fuelLeft } = sandbox
  sandbox.fuelLeft = BigInt(QUERY_FUEL)
  try {
    const pointer = call(sandbox, `xee_${what}`, 0) >>> 0
    const length = call(sandbox, `xee_${what}_len`, 0) >>> 0
    const memory = new Uint8Array(sandbox.memory.buffer)
    if (pointer + length > memory.length)
      throw new KernelFault('output_invalid', `xee_${what} lies outside the memory`)
    return memory.slice(pointer, pointer + length)
  } finally {
    sandbox.fuelLeft = fuelLeft
    writeGlobals(sandbox.globals, globals)
  }
}

/** The memory as it is, not copied: valid until the kernel is called again. */
export const memoryOf = (sandbox: Sandbox): Uint8Array => new Uint8Array(sandbox.memory.buffer)

export const outOfMemory = (sandbox: Sandbox): boolean => sandbox.counters.outOfMemory.value === 1

/** Puts a freshly opened sandbox into a remembered state; false if the state is not one of this module. */
export function restore(sandbox: Sandbox, memory: Uint8Array, globals: GlobalValues): boolean {
  const pages = memory.length / PAGE_BYTES
  const missing = pages - sandbox.memory.buffer.byteLength / PAGE_BYTES
  if (!Number.isInteger(pages) || pages > MEMORY_PAGES_MAX || missing < 0) return false
  if (globals.length !== sandbox.globals.length) return false
  growByHost(sandbox.memory, missing)
  memoryOf(sandbox).set(memory)
  writeGlobals(sandbox.globals, globals)
  return true
}

async function instantiate(module: WebAssembly.Module): Promise<WebAssembly.Instance> {
  try {
    return await WebAssembly.instantiate(module, {})
  } catch (error) {
    if (error instanceof RangeError) throw new KernelFault('out_of_memory', 'no memory for a new instance')
    if (error instanceof WebAssembly.LinkError || error instanceof WebAssembly.RuntimeError)
      throw refused(error.message)
    throw error
  }
}

/** Calls an export on the run's fuel. The module itself checks the fuel at loops and calls, the host after the return. */
function call(sandbox: Sandbox, name: string, phase: 0 | 1, ...args: (number | bigint)[]): number {
  const { fuel, phase: phaseGlobal } = sandbox.counters
  const exported = sandbox.exports[name]
  if (typeof exported !== 'function') throw refused(`it exports no function ${name}`)
  fuel.value = sandbox.fuelLeft
  phaseGlobal.value = phase
  const value: unknown = exported(...args)
  const left: unknown = fuel.value
  if (typeof left !== 'bigint') throw refused('its xee_fuel is not an i64')
  if (left < 0n) throw new WebAssembly.RuntimeError('out of fuel')
  sandbox.fuelLeft = left
  return Number(value ?? 0)
}

function writeInput(sandbox: Sandbox, input: { slot: number; pointer: number; bytes: Uint8Array }): void {
  const memory = memoryOf(sandbox)
  if (input.pointer === 0 && input.bytes.length > 0)
    throw refused(`it has no room for ${input.bytes.length} bytes in slot ${input.slot}`)
  if (input.pointer + input.bytes.length > memory.length)
    throw refused(`xee_alloc(${input.slot}) points outside its memory`)
  memory.set(input.bytes, input.pointer)
}

function reasonOf(sandbox: Sandbox): string {
  const text = new TextDecoder().decode(query(sandbox, 'output')).slice(0, 400)
  return /"reason":"([^"]*)"/.exec(text)?.[1] ?? text
}

function global(value: WebAssembly.ExportValue | undefined): WebAssembly.Global {
  if (value instanceof WebAssembly.Global) return value
  throw refused('it was not admitted: it lacks xee_fuel, xee_phase or xee_oom')
}

function growByHost(memory: WebAssembly.Memory, pages: number): void {
  try {
    memory.grow(pages)
  } catch (error) {
    throw new KernelFault('out_of_memory', `cannot grow by ${pages} pages: ${error}`)
  }
}

const refused = (detail: string): KernelFault => new KernelFault('kernel_refused', detail)
