// One instruction, executed by the engine alone, in a module made of nothing else: so the oracle has no arithmetic of
// its own that could be wrong, and covers vectors and floats too.

import { type Code, flat, TYPE, type Type, u32, vec } from './wasm-builder.ts'

export interface Value {
  readonly type: Type
  readonly bits: bigint // unsigned
}

interface Micro {
  readonly pops: number
  readonly result: Type | undefined
  readonly module: WebAssembly.Module
}

const micros = new Map<string, Micro>()
const instances = new WeakMap<WebAssembly.Memory, Map<Micro, () => void>>()
const scratch = new WebAssembly.Memory({ initial: 1 })
const SLOT = 16

/** Executes one instruction on the operands on top of the stack, which it pops. */
export function execute(bytes: Uint8Array, stack: Value[], memory: WebAssembly.Memory): Value[] {
  const key = `${bytes.join()}:${stack.slice(-3).map(v => v.type)}`
  const micro = micros.get(key) ?? makeMicro(bytes, stack)
  micros.set(key, micro)
  const view = new DataView(scratch.buffer)
  for (const [slot, { bits }] of stack.splice(stack.length - micro.pops).entries()) {
    view.setBigUint64(slot * SLOT, bits & 0xffff_ffff_ffff_ffffn, true)
    view.setBigUint64(slot * SLOT + 8, bits >> 64n, true)
  }
  const known = instances.get(memory) ?? new Map<Micro, () => void>()
  instances.set(memory, known)
  const run = known.get(micro) ?? instantiate(micro, memory)
  known.set(micro, run)
  run()
  if (micro.result === undefined) return []
  const width = { i32: 4, i64: 8, f32: 4, f64: 8, v128: 16 }[micro.result]
  const wide = (view.getBigUint64(8, true) << 64n) | view.getBigUint64(0, true)
  return [{ type: micro.result, bits: BigInt.asUintN(8 * width, wide) }]
}

function instantiate(micro: Micro, memory: WebAssembly.Memory): () => void {
  const instance = new WebAssembly.Instance(micro.module, { e: { m: memory, s: scratch } })
  return instance.exports.f as () => void
}

const LOAD: Readonly<Record<Type, Code>> = {
  i32: [0x28],
  i64: [0x29],
  f32: [0x2a],
  f64: [0x2b],
  v128: [0xfd, 0],
}
const STORE: Readonly<Record<Type, Code>> = {
  i32: [0x36],
  i64: [0x37],
  f32: [0x38],
  f64: [0x39],
  v128: [0xfd, 11],
}

/** How many operands an instruction takes, and which type it gives, is found by what the engine accepts. */
function makeMicro(bytes: Uint8Array, stack: readonly Value[]): Micro {
  for (const pops of [0, 1, 2, 3]) {
    if (pops > stack.length) break
    const operands = stack.slice(stack.length - pops).map(v => v.type)
    for (const result of [undefined, ...(Object.keys(TYPE) as Type[])]) {
      const module = microModule(bytes, operands, result)
      if (WebAssembly.validate(module)) return { pops, result, module: new WebAssembly.Module(module) }
    }
  }
  throw new Error(`the engine takes instruction ${bytes.join()} in no form`)
}

/** Memory 0 is the kernel's, memory 1 holds the operands in slots of 16 bytes, and then the result in the first one. */
function microModule(
  bytes: Uint8Array,
  operands: readonly Type[],
  result: Type | undefined,
): Uint8Array<ArrayBuffer> {
  const inScratch = (op: Code, at: number): Code => [op, 0x40, 1, u32(at)]
  const locals = result === undefined ? [] : [[1, TYPE[result]]]
  const body = [
    vec(locals),
    operands.map((type, slot) => [0x41, 0, inScratch(LOAD[type], slot * SLOT)]),
    [...bytes],
    result === undefined ? [] : [0x21, 0, 0x41, 0, 0x20, 0, inScratch(STORE[result], 0)],
    0x0b,
  ]
  const memory = (name: number): Code => [1, 0x65, 1, name, 2, 0, 0]
  const section = (id: number, content: Code): Code => [id, u32(flat(content).length), content]
  return Uint8Array.from(
    flat([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 0, 0]),
      section(2, [2, memory(0x6d), memory(0x73)]),
      section(3, [1, 0]),
      section(7, [1, 1, 0x66, 0, 0]),
      section(10, [1, u32(flat(body).length), body]),
    ]),
  )
}
