// A plain interpreter that counts instructions one by one: the oracle for metering. Control flow, locals and globals
// are written out here; every other instruction is executed by the engine, alone, in a module made of nothing else.

import { TYPE, type Type } from './wasm-builder.ts'
import {
  decodeModule,
  type OracleFunction,
  type OracleInstruction,
  type OracleModule,
  type OracleType,
} from './wasm-decode.ts'
import { execute, type Value } from './wasm-execute.ts'

export interface OracleRun {
  readonly outcome: 'returned' | 'trapped' | 'limit'
  readonly fuel: number // instructions executed, and the surcharges of bulk operations and growth
  readonly results: readonly Value[]
  readonly globals: readonly Value[] // mutable ones
  readonly memory: Uint8Array
}

interface Machine {
  readonly module: OracleModule
  readonly memory: WebAssembly.Memory
  readonly globals: Value[]
  readonly fuelMax: number
  readonly mayGrow: boolean
  fuel: number
}

class Halt extends Error {
  readonly outcome: 'trapped' | 'limit'
  constructor(outcome: 'trapped' | 'limit') {
    super(outcome)
    this.outcome = outcome
  }
}

/** Runs an exported function of a valid module until it returns, traps, or has used more than `fuelMax`. */
export function interpret(
  bytes: Uint8Array,
  {
    name,
    args,
    fuelMax,
    mayGrow = false,
  }: { name: string; args: readonly Value[]; fuelMax: number; mayGrow?: boolean },
): OracleRun {
  const module = decodeModule(bytes)
  const memory = new WebAssembly.Memory({ initial: module.memory.min, maximum: module.memory.max })
  for (const { at, bytes: data } of module.data) new Uint8Array(memory.buffer).set(data, at)
  const globals = module.globals.map(({ init }) => single(execute(init.bytes, [], memory)))
  const machine: Machine = { module, memory, globals, fuelMax, mayGrow, fuel: 0 }
  const { outcome, results } = guarded(() => invoke(machine, module.exports.get(name)!, args))
  const state = globals.filter((_, i) => module.globals[i]!.mutable)
  return { outcome, fuel: machine.fuel, results, globals: state, memory: new Uint8Array(memory.buffer) }
}

function guarded(run: () => Value[]): { outcome: OracleRun['outcome']; results: readonly Value[] } {
  try {
    return { outcome: 'returned', results: run() }
  } catch (error) {
    if (error instanceof Halt) return { outcome: error.outcome, results: [] }
    if (error instanceof WebAssembly.RuntimeError) return { outcome: 'trapped', results: [] }
    throw error
  }
}

interface Label {
  readonly target: number // the instruction to go on with
  readonly arity: number
  readonly height: number
}

interface Activation {
  readonly machine: Machine
  readonly func: OracleFunction
  readonly locals: Value[]
  readonly stack: Value[]
  readonly labels: Label[]
}

function invoke(machine: Machine, index: number, args: readonly Value[]): Value[] {
  const func = machine.module.functions[index]!
  const locals = [...args, ...func.locals.map(type => ({ type, bits: 0n }))]
  const end = func.code.length
  const labels = [{ target: end, arity: func.type.results.length, height: 0 }]
  const activation: Activation = { machine, func, locals, stack: [], labels }
  for (let at = 0; at < end; ) at = step(activation, func.code[at]!, at)
  return top(activation.stack, func.type.results.length)
}

/** Executes one instruction and says which one is next. */
function step(activation: Activation, instruction: OracleInstruction, at: number): number {
  const { machine, stack, labels } = activation
  const { op, numbers } = instruction
  if (op === 0x0b) labels.pop()
  if (op === 0x0b) return at + 1
  if (op === 0x05) return instruction.partner // the end of the arm: on to the end of the if
  count(machine, 1)
  const number = numbers[0] ?? 0
  switch (op) {
    case 0x00:
      throw new Halt('trapped')
    case 0x02:
    case 0x03:
    case 0x04:
      return enter(activation, instruction, at)
    case 0x0c:
      return branch(activation, number)
    case 0x0d:
      return truthy(stack) ? branch(activation, number) : at + 1
    case 0x0e:
      return branch(activation, numbers[Math.min(Number(stack.pop()!.bits), numbers.length - 1)]!)
    case 0x0f:
      return branch(activation, labels.length - 1)
    default:
      apply(activation, instruction, number)
      return at + 1
  }
}

function apply({ machine, stack, locals }: Activation, instruction: OracleInstruction, number: number): void {
  switch (instruction.op) {
    case 0x10:
      stack.push(...invoke(machine, number, pop(stack, machine.module.functions[number]!.type.params.length)))
      return
    case 0x11:
      callIndirect(machine, stack, number)
      return
    case 0x1a:
      stack.pop()
      return
    case 0x1b: {
      const [a, b, condition] = pop(stack, 3)
      stack.push(condition!.bits === 0n ? b! : a!)
      return
    }
    case 0x20:
      stack.push(locals[number]!)
      return
    case 0x21:
      locals[number] = stack.pop()!
      return
    case 0x22:
      locals[number] = stack.at(-1)!
      return
    case 0x23:
      stack.push(machine.globals[number]!)
      return
    case 0x24:
      machine.globals[number] = stack.pop()!
      return
    default:
      surcharge(machine, instruction.op, stack)
      stack.push(...execute(instruction.bytes, stack, machine.memory))
  }
}

function count(machine: Machine, cost: number): void {
  machine.fuel += cost
  if (machine.fuel > machine.fuelMax) throw new Halt('limit')
}

function surcharge(machine: Machine, op: number, stack: readonly Value[]): void {
  const operand = Number(stack.at(-1)?.bits ?? 0n)
  if (op === 0xfc0a || op === 0xfc0b) count(machine, operand)
  if (op !== 0x40) return
  const pages = machine.memory.buffer.byteLength / 65_536
  if (!machine.mayGrow || pages + operand > machine.module.memory.max) throw new Halt('trapped')
  count(machine, 8192 * operand)
}

function enter({ machine, stack, labels }: Activation, instruction: OracleInstruction, at: number): number {
  const { op, partner, alternative } = instruction
  const type = blockType(machine.module, instruction.numbers[0]!)
  const taken = op !== 0x04 || truthy(stack)
  const height = stack.length - type.params.length
  // A branch to a loop executes the loop instruction again; one to a block goes behind its end.
  if (op === 0x03) labels.push({ target: at, arity: type.params.length, height })
  else labels.push({ target: partner + 1, arity: type.results.length, height })
  if (taken) return at + 1
  return alternative >= 0 ? alternative + 1 : partner
}

function branch({ stack, labels }: Activation, label: number): number {
  const { target, arity, height } = labels[labels.length - 1 - label]!
  labels.length -= label + 1
  const values = pop(stack, arity)
  stack.length = height
  stack.push(...values)
  return target
}

function callIndirect(machine: Machine, stack: Value[], type: number): void {
  const { module } = machine
  const index = module.table[Number(stack.pop()!.bits)]
  const wanted = module.types[type]!
  const callee = index === undefined ? undefined : module.functions[index]!
  if (index === undefined || text(callee!.type) !== text(wanted)) throw new Halt('trapped')
  stack.push(...invoke(machine, index, pop(stack, wanted.params.length)))
}

const text = (type: OracleType): string => JSON.stringify([type.params, type.results])
const truthy = (stack: Value[]): boolean => stack.pop()!.bits !== 0n
const pop = (stack: Value[], n: number): Value[] => stack.splice(stack.length - n, n)
const top = (stack: readonly Value[], n: number): Value[] => stack.slice(stack.length - n)
const single = (values: readonly Value[]): Value => values[0]!

function blockType(module: OracleModule, immediate: number): OracleType {
  if (immediate >= 0) return module.types[immediate]!
  const found = (Object.keys(TYPE) as Type[]).find(t => TYPE[t] === immediate + 128)
  return { params: [], results: found === undefined ? [] : [found] }
}
