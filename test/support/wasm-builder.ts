// A tiny assembler for test modules, written without the reader and writer under test.

export type Code = readonly (number | Code)[]
export type Type = 'i32' | 'i64' | 'f32' | 'f64' | 'v128'

export interface FunctionSpec {
  readonly params?: readonly Type[]
  readonly results?: readonly Type[]
  readonly locals?: readonly Type[]
  readonly body: Code // without the closing end
  readonly export?: string
}

export interface ModuleSpec {
  readonly functions?: readonly FunctionSpec[]
  readonly memory?: Code // limits; default: 1 to 4 pages. [] for none
  readonly table?: number // entries of funcref
  readonly elements?: readonly number[] // functions, from entry 0
  readonly globals?: readonly { readonly type: Code; readonly mutable?: boolean; readonly init: Code }[]
  readonly data?: readonly { readonly at: number; readonly bytes: readonly number[] }[]
  readonly exports?: readonly { readonly name: string; readonly kind: number; readonly index: number }[]
  readonly types?: readonly Code[] // besides those of the functions, from index 0: for block types and call_indirect
  readonly raw?: Readonly<Record<number, Code>> // sections given as bytes, in place of the built ones
}

export const TYPE: Readonly<Record<Type, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b }
export const VOID = 0x40

/** The bytes of a module. `types` come first in the type section, then one type for each function. */
export function buildModule(spec: ModuleSpec): Uint8Array {
  const functions = spec.functions ?? []
  const own = spec.types ?? []
  const memory = spec.memory ?? [1, 1, 4]
  const exports = [
    ...(memory.length > 0 ? [{ name: 'memory', kind: 2, index: 0 }] : []),
    ...functions.flatMap((f, index) => (f.export === undefined ? [] : [{ name: f.export, kind: 0, index }])),
    ...(spec.exports ?? []),
  ]
  const sections: Record<number, Code> = {
    1: vec([...own, ...functions.map(f => funcType(f.params ?? [], f.results ?? []))]),
    3: vec(functions.map((_, index) => u32(own.length + index))),
    4: vec(spec.table === undefined ? [] : [[0x70, 0x00, u32(spec.table)]]),
    5: vec(memory.length === 0 ? [] : [memory]),
    6: vec((spec.globals ?? []).map(g => [g.type, g.mutable ? 1 : 0, g.init, 0x0b])),
    7: vec(exports.map(e => [name(e.name), e.kind, u32(e.index)])),
    9: vec(spec.elements === undefined ? [] : [[0, i32(0), 0x0b, vec(spec.elements.map(u32))]]),
    10: vec(functions.map(f => sized([vec((f.locals ?? []).map(t => [1, TYPE[t]])), f.body, 0x0b]))),
    11: vec((spec.data ?? []).map(d => [0, i32(d.at), 0x0b, u32(d.bytes.length), d.bytes])),
    ...spec.raw,
  }
  // Section 12 (data count) stands before the code; 13 (tags) after the memory.
  const order = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]
  const present = order.filter(id => sections[id] !== undefined && flat(sections[id]).join() !== '0')
  const custom = sections[0] === undefined ? [] : [0, sized(sections[0])]
  return Uint8Array.from(
    flat([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, custom, present.map(id => [id, sized(sections[id]!)])]),
  )
}

export const flat = (code: Code): number[] =>
  code.flatMap(part => (typeof part === 'number' ? [part] : flat(part)))

/** A list with its length before it. */
export const vec = (items: readonly Code[]): Code => [u32(items.length), items]
/** Bytes with their length before them. */
export const sized = (code: Code): Code => {
  const bytes = flat(code)
  return [u32(bytes.length), bytes]
}
export const name = (text: string): Code => sized([...new TextEncoder().encode(text)])
export const funcType = (params: readonly Type[], results: readonly Type[]): Code => [
  0x60,
  vec(params.map(t => [TYPE[t]])),
  vec(results.map(t => [TYPE[t]])),
]

export function u32(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...u32(Math.floor(value / 128))]
}

function signed(value: bigint): number[] {
  const low = Number(value & 127n)
  const rest = value >> 7n
  const done = (rest === 0n && low < 64) || (rest === -1n && low >= 64)
  return done ? [low] : [low + 128, ...signed(rest)]
}

export const i32 = (value: number): Code => [0x41, signed(BigInt(value | 0))]
export const i64 = (value: bigint | number): Code => [0x42, signed(BigInt.asIntN(64, BigInt(value)))]
export const v128 = (...bytes: number[]): Code => [
  0xfd,
  12,
  Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0),
]
export const get = (local: number): Code => [0x20, u32(local)]
export const set = (local: number): Code => [0x21, u32(local)]
export const tee = (local: number): Code => [0x22, u32(local)]
export const globalGet = (index: number): Code => [0x23, u32(index)]
export const globalSet = (index: number): Code => [0x24, u32(index)]
export const call = (index: number): Code => [0x10, u32(index)]
export const callIndirect = (type: number): Code => [0x11, u32(type), 0]
export const block = (type: number, ...code: Code): Code => [0x02, type, code, 0x0b]
export const loop = (type: number, ...code: Code): Code => [0x03, type, code, 0x0b]
export const when = (type: number, yes: number | Code, no?: number | Code): Code => [
  0x04,
  type,
  yes,
  no === undefined ? [] : [0x05, no],
  0x0b,
]
export const br = (label: number): Code => [0x0c, u32(label)]
export const brIf = (label: number): Code => [0x0d, u32(label)]
export const brTable = (labels: readonly number[], otherwise: number): Code => [
  0x0e,
  vec(labels.map(u32)),
  u32(otherwise),
]
export const grow: Code = [0x40, 0]
export const fill: Code = [0xfc, 11, 0]
export const copy: Code = [0xfc, 10, 0, 0]

export const OPS = {
  unreachable: 0x00,
  nop: 0x01,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  i32Eqz: 0x45,
  i32LtU: 0x49,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivU: 0x6e,
  i32And: 0x71,
  i64Ne: 0x52,
  i64Add: 0x7c,
  i64Mul: 0x7e,
  i64ExtendI32U: 0xad,
  i32WrapI64: 0xa7,
} as const
