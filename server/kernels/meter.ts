// Fuel metering by rewriting: fuel-1.
//
// What is charged. Every instruction of WebAssembly's abstract syntax counts one each time it executes. `end` and
// `else` are punctuation of the encoding and count nothing; `block` and `if` count one when entered; `loop` counts one
// when entered and one for each branch to its label, since such a branch executes it again. memory.copy and memory.fill
// count one more a byte (ops/decisions says why not less), memory.grow 8,192 more a page, before they run.
//
// When. A segment (meter-segments.ts) is charged where it begins, so before an instruction in its middle that traps the
// whole segment has been charged. In a run without a trap the total is exact: a run that executes N is completed by a
// budget of N and leaves 0. A check (trap if the fuel is below zero) stands at function entries, at loop heads, and at
// bulk operations, whose work is not bounded by the code's length. Between two checks a run may go below zero: one that
// returns to the host with xee_fuel < 0 has run out of fuel as well.
//
// Where. The counter is a local of each function; the exported mutable global xee_fuel, which the host sets, holds it
// at calls, returns, and at a fuel trap (so xee_fuel < 0 tells that trap from others).
//
// memory.grow works only while the host holds xee_phase at 1. In another phase, or beyond the declared maximum, it
// traps: both are the same on every host. If the engine has no memory left it sets xee_oom to 1 and traps: that one is
// the host's error, never seen by the kernel.

import { METERED_BODY_BYTES_MAX, METERED_BYTES_MAX } from '#protocol/limits.ts'
import { Refused } from './admit-refusals.ts'
import {
  charge,
  chargeAndCheck,
  chargeBulk,
  emit,
  enterFunction,
  growMemory,
  type MeterContext,
  reload,
  spill,
} from './meter-code.ts'
import type { FunctionPlan } from './meter-segments.ts'
import { newWriter, readerOf, type Writer, writeByte, writeSigned, written } from './wasm-bytes.ts'
import { copyInstruction, eachLive, type Instruction } from './wasm-instruction.ts'
import {
  type Export,
  type FunctionType,
  functionType,
  type Global,
  item,
  typeText,
  VALUE_CODES,
  type WasmModule,
} from './wasm-module.ts'
import { OP } from './wasm-opcodes.ts'
import { writeLocals, writeModule } from './wasm-write.ts'

/** A mutable global of the kernel's own, exported by the rewritten module: part of the state that a checkpoint holds. */
export interface StateGlobal {
  readonly name: string // xee_g0, xee_g1, … in index order
  readonly type: 'i32' | 'i64' | 'f32' | 'f64'
}

export interface Metered {
  readonly module: Uint8Array
  readonly globals: readonly StateGlobal[]
}

/**
 * Rewrites a module; `plans` has one entry for each function. The same module gives the same bytes. Throws Refused if
 * the result is larger than engines take.
 */
export function meter(module: WasmModule, plans: readonly FunctionPlan[]): Metered {
  const types = typeTable(module.types)
  const bodies = plans.map((plan, index) => {
    const body = meterFunction({ module, index, plan, types })
    if (body.length <= METERED_BODY_BYTES_MAX) return body
    throw new Refused('function_too_large', `function ${index} has ${body.length} bytes with its metering`)
  })
  const state = stateGlobals(module)
  const bytes = writeModule({
    ...module,
    types: types.list,
    bodies,
    globals: [...module.globals, counter('i64'), counter('i32'), counter('i32')],
    exports: [
      ...module.exports,
      ...state.map(({ name, index }) => globalExport(name, index)),
      ...counters(module),
    ],
  })
  if (bytes.length > METERED_BYTES_MAX)
    throw new Refused(
      'module_too_large',
      `${bytes.length} bytes with its metering; the limit is ${METERED_BYTES_MAX}`,
    )
  return { module: bytes, globals: state.map(({ name, type }) => ({ name, type })) }
}

/** The module's types; those that wrappers need are appended. */
interface TypeTable {
  readonly list: FunctionType[]
  readonly byText: Map<string, number>
}

const typeTable = (types: readonly FunctionType[]): TypeTable => ({
  list: [...types],
  byText: new Map(types.map((type, index) => [typeText(type), index])),
})

interface Rewriting {
  readonly module: WasmModule
  readonly index: number
  readonly plan: FunctionPlan
  readonly types: TypeTable
}

function meterFunction({ module, index, plan, types }: Rewriting): Uint8Array {
  const body = item(module.bodies, index)
  const type = functionType(module, index)
  const fuelLocal = body.locals.reduce((sum, [count]) => sum + count, type.params.length)
  const context = {
    fuelLocal,
    scratch: fuelLocal + 1,
    fuelGlobal: module.globals.length,
    pagesMax: module.memory?.max ?? 0,
  }
  const out = newWriter(2 * (body.end - body.start) + 64)
  writeLocals(out, [...body.locals, [1, 'i64'], ...(plan.scratch ? ([[1, 'i32']] as const) : [])])
  enterFunction(out, context, plan.charges.get(-1) ?? 0)
  // The wrapper takes the place of the function's own label, so that all ways out but traps lead to the spill behind it.
  if (plan.leavesEarly) openWrapper(out, type, types)
  let depth = 0
  eachLive(readerOf(module.bytes, body.start, body.end), (instruction, ordinal) => {
    const { op } = instruction
    if (op === OP.end && depth === 0) return
    if (op === OP.end) depth -= 1
    if (op === OP.block || op === OP.loop || op === OP.if) depth += 1
    if (op === OP.return) emit(out, OP.br, depth)
    else rewrite(out, context, { bytes: module.bytes, instruction })
    const cost = plan.charges.get(ordinal) ?? 0
    if (op === OP.loop) chargeAndCheck(out, context, cost)
    else if (cost > 0) charge(out, context, cost)
  })
  if (plan.leavesEarly) emit(out, OP.end)
  spill(out, context)
  emit(out, OP.end)
  return written(out)
}

function rewrite(
  out: Writer,
  context: MeterContext,
  { bytes, instruction }: { bytes: Uint8Array; instruction: Instruction },
): void {
  const { op } = instruction
  const calls = op === OP.call || op === OP.callIndirect
  if (op === OP.memoryGrow) {
    growMemory(out, context)
    return
  }
  if (op === OP.memoryCopy || op === OP.memoryFill) chargeBulk(out, context)
  if (calls) spill(out, context)
  copyInstruction(out, bytes, instruction)
  if (calls) reload(out, context)
}

function openWrapper(out: Writer, { results }: FunctionType, types: TypeTable): void {
  writeByte(out, OP.block)
  const [first] = results
  if (first === undefined) writeByte(out, 0x40)
  else if (results.length === 1) writeByte(out, VALUE_CODES[first])
  else writeSigned(out, typeOfBlock({ params: [], results }, types))
}

function typeOfBlock(wanted: FunctionType, types: TypeTable): number {
  const known = types.byText.get(typeText(wanted))
  if (known !== undefined) return known
  types.byText.set(typeText(wanted), types.list.length)
  return types.list.push(wanted) - 1
}

function stateGlobals(module: WasmModule): (StateGlobal & { index: number })[] {
  const found: (StateGlobal & { index: number })[] = []
  for (const [index, { type, mutable }] of module.globals.entries()) {
    if (mutable && type !== 'v128') found.push({ name: `xee_g${found.length}`, type, index })
  }
  return found
}

const counter = (type: 'i32' | 'i64'): Global => ({
  type,
  mutable: true,
  init: Uint8Array.of(type === 'i32' ? OP.i32Const : OP.i64Const, 0),
})

const counters = ({ globals }: WasmModule): Export[] =>
  ['xee_fuel', 'xee_phase', 'xee_oom'].map((name, i) => globalExport(name, globals.length + i))

const globalExport = (name: string, index: number): Export => ({ name, kind: 'global', index })
