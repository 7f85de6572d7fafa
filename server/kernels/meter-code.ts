// The instructions that metering adds to a function.

import { type Writer, writeByte, writeSigned, writeU32 } from './wasm-bytes.ts'
import { OP } from './wasm-opcodes.ts'

export interface MeterContext {
  readonly fuelLocal: number // i64: the fuel left
  readonly scratch: number // i32: a length; exists only where the plan asks for it
  readonly fuelGlobal: number // xee_fuel; xee_phase and xee_oom follow
  readonly pagesMax: number // of the memory
}

const VOID = 0x40
const FUEL_PER_PAGE_LOG2 = 13 // memory.grow: 8,192

/** Writes one instruction with its immediates: indices unsigned, constants signed. */
export function emit(out: Writer, op: number, ...immediates: readonly number[]): void {
  if (op > 0xff) {
    writeByte(out, op >> 16)
    writeU32(out, op & 0xffff)
  } else writeByte(out, op)
  const signed = op === OP.i32Const || op === OP.i64Const
  for (const immediate of immediates) signed ? writeSigned(out, immediate) : writeU32(out, immediate)
}

/** Takes `cost` from the local. */
export function charge(out: Writer, { fuelLocal }: MeterContext, cost: number): void {
  emit(out, OP.localGet, fuelLocal)
  emit(out, OP.i64Const, cost)
  emit(out, OP.i64Sub)
  emit(out, OP.localSet, fuelLocal)
}

/** Takes `cost`, and traps if that leaves less than nothing. */
export function chargeAndCheck(out: Writer, context: MeterContext, cost: number): void {
  emit(out, OP.localGet, context.fuelLocal)
  emit(out, OP.i64Const, cost)
  emit(out, OP.i64Sub)
  check(out, context)
}

/** At the entry of a function: takes the caller's or host's fuel into the local. */
export function enterFunction(out: Writer, context: MeterContext, cost: number): void {
  emit(out, OP.globalGet, context.fuelGlobal)
  emit(out, OP.i64Const, cost)
  emit(out, OP.i64Sub)
  check(out, context)
}

/** Before a call or at the end. */
export function spill(out: Writer, { fuelLocal, fuelGlobal }: MeterContext): void {
  emit(out, OP.localGet, fuelLocal)
  emit(out, OP.globalSet, fuelGlobal)
}

/** After a call. */
export function reload(out: Writer, { fuelLocal, fuelGlobal }: MeterContext): void {
  emit(out, OP.globalGet, fuelGlobal)
  emit(out, OP.localSet, fuelLocal)
}

/** Before memory.copy or memory.fill, whose length is on top of the stack: one a byte, checked. */
export function chargeBulk(out: Writer, context: MeterContext): void {
  emit(out, OP.localTee, context.scratch)
  emit(out, OP.localGet, context.fuelLocal)
  emit(out, OP.localGet, context.scratch)
  emit(out, OP.i64ExtendI32U)
  emit(out, OP.i64Sub)
  check(out, context)
}

/** In place of memory.grow, whose page count is on top of the stack. */
export function growMemory(out: Writer, context: MeterContext): void {
  const { scratch, fuelGlobal, pagesMax } = context
  const [phase, oom] = [fuelGlobal + 1, fuelGlobal + 2]
  emit(out, OP.localSet, scratch)
  emit(out, OP.globalGet, phase)
  emit(out, OP.i32Eqz)
  trapIf(out)
  emit(out, OP.memorySize, 0)
  emit(out, OP.i64ExtendI32U)
  emit(out, OP.localGet, scratch)
  emit(out, OP.i64ExtendI32U)
  emit(out, OP.i64Add)
  emit(out, OP.i64Const, pagesMax)
  emit(out, OP.i64GtU)
  trapIf(out)
  emit(out, OP.localGet, context.fuelLocal)
  emit(out, OP.localGet, scratch)
  emit(out, OP.i64ExtendI32U)
  emit(out, OP.i64Const, FUEL_PER_PAGE_LOG2)
  emit(out, OP.i64Shl)
  emit(out, OP.i64Sub)
  check(out, context)
  emit(out, OP.localGet, scratch)
  emit(out, OP.memoryGrow, 0)
  emit(out, OP.localTee, scratch)
  emit(out, OP.i32Const, -1)
  emit(out, OP.i32Eq)
  trapIf(out, code => {
    emit(code, OP.i32Const, 1)
    emit(code, OP.globalSet, oom)
  })
  emit(out, OP.localGet, scratch)
}

/** Keeps the i64 on the stack as the fuel left; below zero it is spilled, so that the host sees why, and the run traps. */
function check(out: Writer, context: MeterContext): void {
  emit(out, OP.localTee, context.fuelLocal)
  emit(out, OP.i64Const, 0)
  emit(out, OP.i64LtS)
  trapIf(out, code => spill(code, context))
}

function trapIf(out: Writer, before?: (out: Writer) => void): void {
  emit(out, OP.if, VOID)
  before?.(out)
  emit(out, OP.unreachable)
  emit(out, OP.end)
}
