// Which instructions run together. A segment is a set of instructions of one function that, in a run without a trap,
// all run or none: its whole count is charged where it begins. It may reach over a block, loop or if that nothing
// inside leaves for further out, and over calls, since a call returns or traps.

import { malformed, readerOf } from './wasm-bytes.ts'
import { eachLive, type Instruction } from './wasm-instruction.ts'
import { type FunctionType, functionType, item, VALUE_TYPES, type WasmModule } from './wasm-module.ts'
import { OP } from './wasm-opcodes.ts'

export interface FunctionPlan {
  readonly charges: ReadonlyMap<number, number> // fuel, by ordinal of the live instruction before the charge; -1 is the entry
  readonly operandsMax: number // the highest operand stack
  readonly calls: ReadonlySet<number> // functions
  readonly indirectCalls: ReadonlySet<number> // types
  readonly leavesEarly: boolean // by return, or a branch to the function's own label
  readonly scratch: boolean // needs a local for bulk lengths
}

interface Segment {
  readonly after: number // ordinal of the live instruction before it
  cost: number
}

interface Frame {
  readonly op: number
  readonly base: number // operands below it
  readonly type: FunctionType
  readonly outer: Segment // the segment that it began in
  leavesTo: number // the outermost depth of frame that a branch inside it goes to
}

interface State {
  readonly module: WasmModule
  readonly frames: Frame[]
  readonly segments: Segment[]
  readonly calls: Set<number>
  readonly indirectCalls: Set<number>
  segment: Segment
  operands: number
  operandsMax: number
  leavesEarly: boolean
  scratch: boolean
}

/** Finds the segments of function `index`, and what admission asks about it. Throws Refused on foreign instructions. */
export function planFunction(module: WasmModule, index: number): FunctionPlan {
  const entry: Segment = { after: -1, cost: 0 }
  const type = functionType(module, index)
  const state: State = {
    module,
    frames: [
      { op: OP.block, base: 0, type: { params: [], results: type.results }, outer: entry, leavesTo: 0 },
    ],
    segments: [entry],
    calls: new Set(),
    indirectCalls: new Set(),
    segment: entry,
    operands: 0,
    operandsMax: 0,
    leavesEarly: false,
    scratch: false,
  }
  const body = item(module.bodies, index)
  eachLive(readerOf(module.bytes, body.start, body.end), (instruction, ordinal) =>
    step(state, instruction, ordinal),
  )
  const charges = new Map(
    state.segments.filter(({ cost }) => cost > 0).map(({ after, cost }) => [after, cost]),
  )
  const { operandsMax, calls, indirectCalls, leavesEarly, scratch } = state
  return { charges, operandsMax, calls, indirectCalls, leavesEarly, scratch }
}

/** Parameters and results of a block, by the immediate of its instruction. */
function blockType(module: WasmModule, immediate: number): FunctionType {
  if (immediate >= 0) return item(module.types, immediate)
  const type = VALUE_TYPES.get(immediate + 0x80)
  return { params: [], results: type === undefined ? [] : [type] }
}

function step(state: State, instruction: Instruction, ordinal: number): void {
  const { op } = instruction
  if (op === OP.end || op === OP.else) leaveArm(state, op, ordinal)
  else if (op === OP.block || op === OP.loop || op === OP.if) enter(state, instruction, ordinal)
  else run(state, instruction, ordinal)
}

function run(state: State, instruction: Instruction, ordinal: number): void {
  const { op, shape } = instruction
  state.operands += shape.push - shape.pop
  switch (op) {
    case OP.br:
    case OP.brIf:
      branch(state, instruction.index)
      break
    case OP.brTable:
      for (const label of instruction.targets) branch(state, label)
      break
    case OP.return:
      branch(state, state.frames.length - 1)
      break
    case OP.call:
      state.calls.add(instruction.index)
      apply(state, functionType(state.module, instruction.index))
      break
    case OP.callIndirect:
      state.indirectCalls.add(instruction.index)
      apply(state, item(state.module.types, instruction.index))
      break
    case OP.memoryCopy:
    case OP.memoryFill:
    case OP.memoryGrow:
      state.scratch = true
      break
  }
  state.segment.cost += 1
  state.operandsMax = Math.max(state.operandsMax, state.operands)
  if (op === OP.brIf) begin(state, ordinal)
}

function enter(state: State, { op, index }: Instruction, ordinal: number): void {
  const type = blockType(state.module, index)
  const outer = state.segment
  if (op === OP.if) state.operands -= 1
  const base = state.operands - type.params.length
  state.frames.push({ op, base, type, outer, leavesTo: state.frames.length })
  // A loop counts in its own segment: each branch to its label executes it again.
  if (op === OP.loop) begin(state, ordinal)
  state.segment.cost += 1
  if (op === OP.if) begin(state, ordinal)
}

function leaveArm(state: State, op: number, ordinal: number): void {
  const { frames } = state
  const frame = frames.at(-1)
  if (frame === undefined) throw malformed(readerOf(state.module.bytes), 'an end without a block')
  if (op === OP.else) {
    state.operands = frame.base + frame.type.params.length
    begin(state, ordinal)
    return
  }
  frames.pop()
  state.operands = frame.base + frame.type.results.length
  state.operandsMax = Math.max(state.operandsMax, state.operands)
  const parent = frames.at(-1)
  if (parent === undefined) return
  parent.leavesTo = Math.min(parent.leavesTo, frame.leavesTo)
  if (frame.leavesTo < frames.length) begin(state, ordinal)
  else state.segment = frame.outer
}

function branch(state: State, label: number): void {
  const target = state.frames.length - 1 - label
  const top = state.frames.at(-1)
  if (top === undefined || target < 0)
    throw malformed(readerOf(state.module.bytes), 'a branch out of the function')
  top.leavesTo = Math.min(top.leavesTo, target)
  if (target === 0) state.leavesEarly = true
}

function apply(state: State, { params, results }: FunctionType): void {
  state.operands += results.length - params.length
}

function begin(state: State, after: number): void {
  state.segment = { after, cost: 0 }
  state.segments.push(state.segment)
}
